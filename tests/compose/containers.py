"""The compose file under a project name of its own, on free ports, with secrets of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import docker
import psycopg
import requests
from docker.errors import ImageNotFound
from docker.models.containers import Container

from coupons.tokens import mint_token
from stack.ports import free_ports

COMPOSE = Path(__file__).parents[2] / "compose"
BUILD_SECONDS = 600
UP_SECONDS = 900
DOWN_SECONDS = 120
COMMAND_SECONDS = 120
ANSWER_SECONDS = 10
PORTS = ("api", "postgres", "valkey", "kafka", "registry", "connect", "monitor")


@dataclass(frozen=True)
class Containers:
    """A running project. `ports` are those on this machine, by name."""

    project: str
    engine: docker.DockerClient
    ports: dict[str, int]
    secrets: Path
    up_seconds: float = 0.0

    files: ClassVar[tuple[str, ...]] = ("compose.yaml",)
    # The images have the project's name, so that a test never runs what somebody else has built.
    images: ClassVar[dict[str, str]] = {"COUPON_IMAGE": "", "COUPON_CONNECT_IMAGE": "-connect"}

    def container(self, service: str) -> Container:
        """The one container of a service, as it is now."""
        (found,) = self.containers(service)
        return found

    def containers(self, service: str | None = None) -> list[Container]:
        """All of the project, ended ones too, or those of a service."""
        labels = [f"com.docker.compose.project={self.project}"]
        labels += [f"com.docker.compose.service={service}"] if service else []
        return list(self.engine.containers.list(all=True, filters={"label": labels}))

    def run_in(self, service: str, *command: str) -> tuple[int, str]:
        """Run a command in the container of a service; its exit code and what it printed."""
        code, output = self.container(service).exec_run(list(command))
        assert code is not None
        assert isinstance(output, bytes)
        return code, output.decode().strip()

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

    def connect(self, path: str, method: str = "GET", body: object = None) -> Any:
        """What Connect's REST API tells."""
        url = f"http://127.0.0.1:{self.ports['connect']}{path}"
        return requests.request(method, url, json=body, timeout=ANSWER_SECONDS).json()

    def users(self, query: str, coupon_id: int) -> set[int]:
        """The user ids that a query with one place for the coupon returns."""
        return {row[0] for row in self.select(query, [coupon_id])}

    def select(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What Postgres answers to somebody who may read everything."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.ports["postgres"],
            dbname="coupon",
            user="coupon_ops",
            password=(self.secrets / "coupon_ops").read_text("ascii"),
        ) as connection:
            return connection.execute(query, values).fetchall()

    def coupon(self, *arguments: str) -> Any:
        """A `coupon` command on this machine, pointed at the containers by addresses alone."""
        port = self.ports
        addresses = {
            "COUPON_API_URL": f"http://127.0.0.1:{port['api']}",
            "COUPON_DATABASE_URL": f"postgresql://127.0.0.1:{port['postgres']}/coupon",
            "COUPON_PASSWORDS_DIR": str(self.secrets),
            "COUPON_REDIS_URL": f"redis://127.0.0.1:{port['valkey']}/0",
            "COUPON_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port['kafka']}",
            "COUPON_SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{port['registry']}/apis/ccompat/v7",
            "COUPON_CONNECT_URL": f"http://127.0.0.1:{port['connect']}",
            "COUPON_JWT_KEY_FILE": str(self.secrets / "jwt.key"),
        }
        command = [sys.executable, "-m", "cli", *arguments, "--json"]
        return json.loads(_run(command, {**os.environ, **addresses}, COMMAND_SECONDS))

    def run(self, service: str, *arguments: str) -> str:
        """`docker compose run` of a service with a profile; what it printed."""
        command = ["run", "--rm", "--no-deps", "-T", service, *arguments]
        return self.compose(COMMAND_SECONDS, *command)

    def compose(self, seconds: float, *arguments: str) -> str:
        """A compose command on this project; what it printed. Raises AssertionError."""
        command = ["docker", "compose", "--project-name", self.project]
        files = [f"--file={COMPOSE / name}" for name in self.files]
        return _run([*command, *files, *arguments], self._environment(), seconds)

    def image(self, variable: str) -> str:
        """The project's own name for the image that `variable` of the compose files names."""
        return f"{self.project}{self.images[variable]}"

    def _environment(self) -> dict[str, str]:
        ports = {name.upper().replace("-", "_"): str(port) for name, port in self.ports.items()}
        return {
            **os.environ,
            **{f"COUPON_{name}_PORT": port for name, port in ports.items()},
            "COUPON_SECRETS_DIR": str(self.secrets),
            **{variable: self.image(variable) for variable in self.images},
        }


C = TypeVar("C", bound=Containers)


@contextmanager
def running_containers(
    kind: type[C], name: str, ports: Sequence[str], engine: docker.DockerClient, folder: Path
) -> Iterator[C]:
    """Build, bring up, wait until all is healthy; in the end remove all of it, volumes included."""
    secrets = folder / "secrets"
    subprocess.run([COMPOSE / "make-secrets", secrets], check=True)
    made = kind(f"coupon-{name}-{os.getpid()}", engine, free_ports(ports), secrets)
    try:
        made.compose(BUILD_SECONDS, "build", "--quiet")
        began = time.monotonic()
        try:
            made.compose(UP_SECONDS, "up", "--detach", "--wait")
        except AssertionError as error:
            logs = made.compose(COMMAND_SECONDS, "logs", "--no-color", "--tail", "30")
            raise AssertionError(f"{error}\n{logs}") from None
        yield replace(made, up_seconds=time.monotonic() - began)
    finally:
        made.compose(DOWN_SECONDS, "down", "--volumes", "--remove-orphans", "--timeout", "5")
        for variable in made.images:
            with suppress(ImageNotFound):
                engine.images.remove(made.image(variable), force=True)


def _run(command: Sequence[str], environment: dict[str, str], seconds: float) -> str:
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{' '.join(command)}: not done within {seconds} s") from error
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}")
    return done.stdout
