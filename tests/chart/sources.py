"""What others publish for the tests of the chart, each pinned by its hash: Go programs and CRDs."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stack.artifacts import Artifact
from stack.cache import sha256_of
from stack.java import find_java
from stack.maven import fetch, system_authorities

HERE = Path(__file__).parent
STRIMZI = {
    "KafkaConnector": "connector.KafkaConnector",
    "KafkaConnect": "connect.KafkaConnect",
    "Kafka": "kafka.Kafka",
    "KafkaNodePool": "nodepool.KafkaNodePool",
    "KafkaTopic": "topic.KafkaTopic",
}
"""Classes of Strimzi's API, below io.strimzi.api.kafka.model, that its generator makes CRDs of."""


def build_programs(
    programs: Mapping[str, str], module: Path, folder: Path, flags: str = ""
) -> None:
    """Build each program of a Go module, by name and package, into a folder. flags: to link."""
    for name, package in programs.items():
        linked = f"-ldflags=-s -w {flags}".rstrip()
        command = ["go", "build", "-trimpath", linked, "-o", str(folder / name), package]
        subprocess.run(command, cwd=module, check=True, env={**os.environ, "CGO_ENABLED": "0"})


def required_module(module: Path, name: str) -> tuple[Path, str]:
    """The folder and the version of a module that another module requires."""
    command = ["go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", name]
    done = subprocess.run(command, cwd=module, check=True, capture_output=True, text=True)
    found, version = done.stdout.split()
    return Path(found), version


def pinned_modules(scratch: Path) -> dict[str, Path]:
    """The folders of the Go modules of modules.json, by the last part of their names."""
    pins = json.loads((HERE / "modules.json").read_text("utf-8"))
    return {pin["module"].rpartition("/")[2]: _module(scratch, **pin) for pin in pins}


def swagger_of(modules: Mapping[str, Path]) -> dict[str, Any]:
    """The API of Kubernetes as it describes itself."""
    file = modules["kubernetes"] / "api/openapi-spec/swagger.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def crds_of(modules: Mapping[str, Path], scratch: Path) -> list[Path]:
    """The CustomResourceDefinitions of all operators that the chart knows."""
    crds = [*(modules["cloudnative-pg"] / "config/crd/bases").glob("*_clusters.yaml")]
    crds += (modules["prometheus-operator"] / "example/prometheus-operator-crd").glob("*mon*s.yaml")
    return crds + _strimzi_crds(scratch)


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
    generator = [str(java), "-cp", _classpath(paths), "io.strimzi.crdgenerator.CrdGenerator"]
    subprocess.run([*generator, *options.split(), *classes], check=True)
    return list(made.values())


def _classpath(paths: Iterable[Path]) -> str:
    return os.pathsep.join(map(str, paths))


def _jar(artifact: Artifact, folder: Path) -> Path:
    path = fetch(artifact, folder, lambda _count: None)
    if sha256_of(path) != artifact.sha256:
        raise SystemExit(f"{artifact.filename} has not the pinned SHA-256")
    return path
