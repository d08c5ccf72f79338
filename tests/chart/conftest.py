"""The chart, rendered by helm, and a cluster to install it in."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.make.chart import CHART
from tests.chart.cluster import Cluster
from tests.chart.release import Release
from tests.chart.servers import api_server, controllers
from tests.chart.tools import servers_folder, tools_folder

Objects = list[dict[str, Any]]
VALUES = Path(__file__).with_name("values")
FILES = ("minimal", "external", "everything")
RELEASE = "shop"


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of helm, kubeconform and the schemas."""
    folder = tools_folder()
    if not folder.exists():
        pytest.skip(f"{folder} is not there: `python -m tests.chart.tools` makes it in minutes")
    return folder


@pytest.fixture(scope="session")
def helm(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs helm without any file of this user. Raises CalledProcessError."""
    home = str(tmp_path_factory.mktemp("helm"))

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(tools / "helm"), *arguments],
            capture_output=True,
            text=True,
            env={"HOME": home, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home},
        )
        if done.returncode != 0:
            error = subprocess.CalledProcessError(
                done.returncode, arguments, done.stdout, done.stderr
            )
            error.add_note(done.stderr)
            raise error
        return done.stdout

    return run


@pytest.fixture(scope="session")
def rendered(helm: Callable[..., str]) -> Callable[..., Objects]:
    """The objects of the chart with a file of values and further arguments, each made once."""

    @cache
    def render(name: str, *arguments: str) -> Objects:
        file = str(VALUES / f"{name}.yaml")
        text = helm("template", RELEASE, str(CHART), "--namespace=coupons", "-f", file, *arguments)
        return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]

    return render


@pytest.fixture(scope="session")
def servers() -> Path:
    """The folder of the servers of Kubernetes."""
    folder = servers_folder()
    if not folder.exists():
        pytest.skip(
            f"{folder} is not there: `python -m tests.chart.tools --kubernetes` makes it in a"
            " quarter of an hour"
        )
    return folder


@pytest.fixture(scope="session")
def api(servers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server that knows the operators' kinds."""
    with api_server(servers, tmp_path_factory.mktemp("kubernetes")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def cluster(api: Cluster, servers: Path) -> Iterator[Cluster]:
    """The same with controllers, a scheduler and three nodes."""
    with controllers(servers, api, api.kubeconfig.parent):
        yield api


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """For names that no other test has."""
    return count()


@pytest.fixture
def namespace(api: Cluster, numbers: Iterator[int]) -> str:
    """A namespace of the test's own, that enforces pod security `restricted`."""
    name = f"coupons-{next(numbers)}"
    api.make_namespace(name)
    return name


@pytest.fixture
def release(helm: Callable[..., str], api: Cluster, namespace: str) -> Release:
    """The release `shop`, not installed yet."""
    return Release(helm, api, namespace, RELEASE)


def one(objects: Objects, kind: str, name: str) -> Any:
    """The only object of a kind and name."""
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert names.count((kind, name)) == 1, names
    return objects[names.index((kind, name))]


def pods(objects: Objects) -> dict[str, dict[str, Any]]:
    """The spec of each pod that the chart itself makes, by the name of what it belongs to."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet", "Job")
    }


def secrets_of(objects: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """Each Secret that is referred to, with the key."""
    found = set()

    def look(node: Any) -> None:
        if isinstance(node, dict):
            if "secretKeyRef" in node:
                found.add((node["secretKeyRef"]["name"], node["secretKeyRef"]["key"]))
            if "secretName" in node and "items" in node:
                found.update((node["secretName"], item["key"]) for item in node["items"])
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                look(child)

    look(list(objects))
    return found
