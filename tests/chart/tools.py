"""Programs and schemas that the chart is checked with, in the user's cache folder.

`python -m tests.chart.tools` makes what is missing: helm and kubeconform are built by Go, the
schemas come from the modules and jars of those who publish them. With `--kubernetes`, also what a
cluster without containers runs: an API server and its store, the controllers, the scheduler, and
kwok, which plays the nodes. Everything is pinned by its hash.
"""

import fcntl
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from stack.cache import cache_folder
from tests.chart.schemas import schemas_of_crds, schemas_of_kubernetes
from tests.chart.sources import (
    HERE,
    build_programs,
    crds_of,
    pinned_modules,
    required_module,
    swagger_of,
)

PINS = [
    *(HERE / "go" / "go.sum", HERE / "modules.json", HERE / "strimzi.json"),
    *(HERE / "schemas.py", HERE / "sources.py"),
]
PROGRAMS = {
    "helm": "helm.sh/helm/v4/cmd/helm",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
}
PINS_OF_SERVERS = [
    *(HERE / "kubernetes" / "go.mod", HERE / "kubernetes" / "go.sum"),
    *(HERE / "modules.json", HERE / "strimzi.json", HERE / "sources.py", HERE / "tools.py"),
]
SERVERS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
VERSION = "k8s.io/component-base/version.gitVersion"
"""The variable of the servers that holds what they say of themselves."""
STAGES = "node/fast/node-initialize", "pod/fast/pod-*"
"""What kwok does with nodes and pods, below its folder kustomize/stage."""


def tools_folder() -> Path:
    """Where exactly these versions are, whether they have been made or not."""
    return _folder("chart", PINS)


def servers_folder() -> Path:
    """The same for the servers of Kubernetes."""
    return _folder("kubernetes", PINS_OF_SERVERS)


def make_tools(folder: Path) -> None:
    """Build and fetch helm, kubeconform and the schemas, unless they are there."""

    def fill(new: Path, scratch: Path) -> None:
        build_programs(PROGRAMS, HERE / "go", new)
        modules = pinned_modules(scratch)
        schemas = schemas_of_kubernetes(swagger_of(modules))
        schemas |= schemas_of_crds(crds_of(modules, scratch))
        (new / "schemas").mkdir()
        for file, schema in schemas.items():
            (new / "schemas" / file).write_text(json.dumps(schema), "utf-8")

    _make(folder, fill)


def make_servers(folder: Path) -> None:
    """Build the servers of Kubernetes, and fetch CRDs and stages, unless they are there."""

    def fill(new: Path, scratch: Path) -> None:
        module = HERE / "kubernetes"
        # Without its version, helm takes the server for one that is too old for the chart.
        _source, version = required_module(module, "k8s.io/kubernetes")
        build_programs(SERVERS, module, new, f"-X {VERSION}={version}")
        stages = required_module(module, "sigs.k8s.io/kwok")[0] / "kustomize" / "stage"
        _copy([file for name in STAGES for file in stages.glob(f"{name}.yaml")], new / "stages")
        _copy(crds_of(pinned_modules(scratch), scratch), new / "crds")

    _make(folder, fill)


def _folder(name: str, pinned_by: Sequence[Path]) -> Path:
    pins = hashlib.sha256(b"".join(pin.read_bytes() for pin in pinned_by)).hexdigest()
    return cache_folder() / f"{name}-{pins[:12]}"


def _make(folder: Path, fill: Callable[[Path, Path], None]) -> None:
    """Fill a folder beside, which then gets the name; one process at a time does."""
    if not folder.exists() and shutil.which("go") is None:
        raise SystemExit("Go builds them, and there is none: install it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "chart.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="chart-new-") as scratch:
            new = Path(scratch) / "made"
            new.mkdir()
            fill(new, Path(scratch))
            new.rename(folder)


def _copy(files: Sequence[Path], folder: Path) -> None:
    folder.mkdir()
    for file in files:
        shutil.copyfile(file, folder / file.name)


if __name__ == "__main__":
    make_tools(tools_folder())
    print(f"In {tools_folder()}: {', '.join(PROGRAMS)}")
    if "--kubernetes" in sys.argv[1:]:
        make_servers(servers_folder())
        print(f"In {servers_folder()}: {', '.join(SERVERS)}")
