"""One set of containers for the tests of this folder; skipped where there is no engine."""

import gc
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import closing

import docker
import pytest
from docker.errors import DockerException

from tests.compose.containers import PORTS, Containers, running_containers


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    if why := _why_no_engine():
        pytest.skip(f"no Docker engine answers: {why}")
    command = ["docker", "compose", "version"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("docker has no compose plugin here")
    with closing(docker.from_env()) as client:
        yield client


def _why_no_engine() -> str:
    """Empty: one answers.

    Where nobody listens, docker's client leaves its socket to the garbage collector, which warns.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            with closing(docker.from_env()) as client:
                client.ping()
            return ""
        except DockerException as error:
            why = str(error)
        gc.collect()
    return why


# Not for the whole run: the tests of the other folders have the machine to themselves.
@pytest.fixture(scope="package")
def containers(
    engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Containers]:
    folder = tmp_path_factory.mktemp("compose")
    with running_containers(Containers, "test", PORTS, engine, folder) as running:
        yield running
