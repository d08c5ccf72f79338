"""Programs and schemas that the chart is checked with, in the user's cache folder.

`python -m tests.chart.tools` makes what is missing: helm and kubeconform are built by Go, the
schemas come from the modules and jars of those who publish them. Everything is pinned by its hash.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from stack.artifacts import Artifact
from stack.cache import cache_folder, sha256_of
from stack.java import find_java
from stack.maven import fetch, system_authorities
from tests.chart.schemas import schemas_of_crds, schemas_of_kubernetes

HERE = Path(__file__).parent
PINS = [HERE / "go" / "go.sum", HERE / "modules.json", HERE / "strimzi.json", HERE / "schemas.py"]
PROGRAMS = {
    "helm": "helm.sh/helm/v4/cmd/helm",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
}
STRIMZI = {
    "KafkaConnector": "connector.KafkaConnector",
    "KafkaConnect": "connect.KafkaConnect",
    "Kafka": "kafka.Kafka",
    "KafkaNodePool": "nodepool.KafkaNodePool",
    "KafkaTopic": "topic.KafkaTopic",
}
"""Classes of Strimzi's API, below io.strimzi.api.kafka.model, that its generator makes CRDs of."""


def tools_folder() -> Path:
    """Where exactly these versions are, whether they have been made or not."""
    pins = hashlib.sha256(b"".join(pin.read_bytes() for pin in PINS)).hexdigest()
    return cache_folder() / f"chart-{pins[:12]}"


def make(folder: Path) -> None:
    """Build and fetch everything into a folder beside, which then gets the name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="chart-new-") as name:
        new = Path(name) / "made"
        (new / "schemas").mkdir(parents=True)
        _build_programs(new)
        for file, schema in _schemas(Path(name)).items():
            (new / "schemas" / file).write_text(json.dumps(schema), "utf-8")
        new.rename(folder)


def _build_programs(folder: Path) -> None:
    for name, package in PROGRAMS.items():
        command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(folder / name), package]
        subprocess.run(command, cwd=HERE / "go", check=True, env={**os.environ, "CGO_ENABLED": "0"})


def _schemas(scratch: Path) -> dict[str, Any]:
    kubernetes, postgres, prometheus = (
        _module(scratch, **pin) for pin in json.loads((HERE / "modules.json").read_text("utf-8"))
    )
    swagger = json.loads((kubernetes / "api/openapi-spec/swagger.json").read_text("utf-8"))
    crds = [*(postgres / "config/crd/bases").glob("*_clusters.yaml")]
    crds += (prometheus / "example/prometheus-operator-crd").glob("*mon*s.yaml")
    crds += _strimzi_crds(scratch)
    return schemas_of_kubernetes(swagger) | schemas_of_crds(crds)


def _module(scratch: Path, module: str, version: str, sum: str) -> Path:
    """The folder of a Go module; what Go says that its hash is has to be the pinned one."""
    command = ["go", "mod", "download", "-json", f"{module}@{version}"]
    done = subprocess.run(command, cwd=scratch, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    if found["Sum"] != sum:
        raise SystemExit(f"{module} {version} has the hash {found['Sum']}, not the pinned {sum}")
    return Path(found["Dir"])


def _strimzi_crds(scratch: Path) -> list[Path]:
    jars = scratch / "jars"
    jars.mkdir()
    with system_authorities(scratch):
        paths = [
            _jar(Artifact(**pin), jars)
            for pin in json.loads((HERE / "strimzi.json").read_text("utf-8"))
        ]
    made = {name: scratch / f"{name}.yaml" for name in STRIMZI}
    classes = [f"io.strimzi.api.kafka.model.{STRIMZI[name]}={made[name]}" for name in STRIMZI]
    options = (
        "--target-kube 1.16+ --crd-api-version v1 --api-versions v1 --storage-version v1 --yaml"
    )
    java, _version = find_java()
    classpath = os.pathsep.join(map(str, paths))
    generator = [str(java), "-cp", classpath, "io.strimzi.crdgenerator.CrdGenerator"]
    subprocess.run([*generator, *options.split(), *classes], check=True)
    return list(made.values())


def _jar(artifact: Artifact, folder: Path) -> Path:
    path = fetch(artifact, folder, lambda _count: None)
    if sha256_of(path) != artifact.sha256:
        raise SystemExit(f"{artifact.filename} has not the pinned SHA-256")
    return path


if __name__ == "__main__":
    wanted = tools_folder()
    if wanted.exists():
        print(f"They are there: {wanted}")
    elif shutil.which("go") is None:
        raise SystemExit("Go builds them, and there is none: install it")
    else:
        make(wanted)
        print(f"Made: {wanted}")
