"""One set of containers for the tests of this folder; skipped where there is no engine."""

import subprocess
from collections.abc import Iterator

import docker
import pytest
from docker.errors import DockerException

from tests.compose.containers import PORTS, Containers, running_containers


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    command = ["docker", "compose", "version"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("docker has no compose plugin here")
    yield client
    client.close()


# Not for the whole run: the tests of the other folders have the machine to themselves.
@pytest.fixture(scope="package")
def containers(
    engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Containers]:
    folder = tmp_path_factory.mktemp("compose")
    with running_containers(Containers, "test", PORTS, engine, folder) as running:
        yield running
