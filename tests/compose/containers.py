"""The compose file under a project name of its own, on free ports, with secrets of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import psycopg
import requests
from docker.models.containers import Container

from coupons.tokens import mint_token
from stack.ports import free_ports

COMPOSE = Path(__file__).parents[2] / "compose"
UP_SECONDS = 900
DOWN_SECONDS = 120
ANSWER_SECONDS = 10
_PORTS = ("api", "postgres", "valkey", "kafka", "registry", "connect")


@dataclass(frozen=True)
class Containers:
    """A running project. `ports` are those on this machine, by name."""

    project: str
    engine: docker.DockerClient
    ports: dict[str, int]
    secrets: Path

    def container(self, service: str) -> Container:
        """The one container of a service, as it is now."""
        labels = [
            f"com.docker.compose.project={self.project}",
            f"com.docker.compose.service={service}",
        ]
        (found,) = self.engine.containers.list(all=True, filters={"label": labels})
        return found

    def kill_and_start(self, service: str) -> None:
        """SIGKILL, and a start of what is left: the engine itself restarts only what died alone."""
        container = self.container(service)
        container.kill()
        container.wait(timeout=ANSWER_SECONDS)
        container.start()

    def healthy(self, service: str) -> bool:
        """What the engine says of the service."""
        return bool(self.container(service).attrs["State"]["Health"]["Status"] == "healthy")

    def call(
        self, method: str, path: str, user_id: int, scope: str, body: object = None
    ) -> requests.Response:
        """One request to the API, as a user."""
        key = (self.secrets / "jwt.key").read_text("ascii")
        token = mint_token(key, user_id, [scope], 3600)
        return requests.request(
            method,
            f"http://127.0.0.1:{self.ports['api']}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_SECONDS,
        )

    def connect(self, path: str) -> Any:
        """What Connect's REST API tells."""
        url = f"http://127.0.0.1:{self.ports['connect']}{path}"
        return requests.get(url, timeout=ANSWER_SECONDS).json()

    def users(self, query: str, coupon_id: int) -> set[int]:
        """The user ids that a query with one place for the coupon returns."""
        password = (self.secrets / "coupon_ops").read_text("ascii")
        with psycopg.connect(
            host="127.0.0.1",
            port=self.ports["postgres"],
            dbname="coupon",
            user="coupon_ops",
            password=password,
        ) as connection:
            return {row[0] for row in connection.execute(query, [coupon_id])}


@contextmanager
def running_containers(engine: docker.DockerClient, folder: Path) -> Iterator[Containers]:
    """Build, bring up, wait until all is healthy; in the end take down, volumes included."""
    ports = free_ports(_PORTS)
    secrets = folder / "secrets"
    subprocess.run([COMPOSE / "make-secrets", secrets], check=True)
    project = f"coupon-test-{os.getpid()}"
    env = {
        **os.environ,
        **{f"COUPON_{name.upper()}_PORT": str(port) for name, port in ports.items()},
        "COUPON_SECRETS_DIR": str(secrets),
    }
    try:
        _compose(project, env, UP_SECONDS, "up", "--detach", "--wait", "--build")
        yield Containers(project, engine, ports, secrets)
    finally:
        _compose(project, env, DOWN_SECONDS, "down", "--volumes", "--remove-orphans")


def _compose(project: str, env: dict[str, str], seconds: float, *arguments: str) -> None:
    file = str(COMPOSE / "compose.yaml")
    command = ["docker", "compose", "--project-name", project, "--file", file]
    done = subprocess.run(
        [*command, *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode != 0:
        logs = [*command, "logs", "--no-color", "--tail", "30"]
        told = subprocess.run(logs, env=env, capture_output=True, text=True, check=False).stdout
        raise AssertionError(f"compose {' '.join(arguments)}:\n{done.stderr}\n{told}")
