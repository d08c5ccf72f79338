"""Single servers of the embedded stack, each started once for the run, when a test first asks."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from stack.cache import ensure_bundles
from stack.folder import StateFolder
from stack.lifecycle import bring_up, take_down
from stack.parts import Part
from stack.ports import HOST, free_ports
from stack.servers.kafka import kafka_part
from stack.servers.postgres import postgres_home, postgres_part
from stack.servers.valkey import valkey_part

STOP_SECONDS = 10


class Server:
    """One part of the stack in a state folder of its own."""

    def __init__(self, folder: StateFolder, part: Part) -> None:
        self.folder = folder
        self.part = part

    def start(self) -> None:
        """Start it and wait until it is healthy."""
        bring_up(self.folder, [self.part], [], lambda *_: None)

    def stop(self) -> None:
        """Stop it in order."""
        take_down(self.folder, [self.part.name], lambda *_: None)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        run = self.folder.part(self.part.name).last_run()
        assert run is not None
        program = run.process()
        assert program is not None
        family = run.family()
        program.kill()
        _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
        assert not alive


def new_folder(path: Path) -> StateFolder:
    """An empty state folder for one server."""
    folder = StateFolder(path / "state")
    folder.create()
    return folder


class ValkeyServer(Server):
    """A Valkey with the settings of the embedded stack."""

    def __init__(self, path: Path) -> None:
        folder = new_folder(path)
        port = free_ports(["valkey"])["valkey"]
        super().__init__(folder, valkey_part(folder, port))
        self.url = f"redis://{HOST}:{port}/0"


class KafkaServer(Server):
    """A Kafka with the settings of the embedded stack."""

    def __init__(self, path: Path) -> None:
        folder = new_folder(path)
        ports = free_ports(["kafka", "controller"])
        libraries = ensure_bundles(lambda *_: None)["kafka"]
        super().__init__(folder, kafka_part(folder, libraries, ports["kafka"], ports["controller"]))
        self.bootstrap_servers = f"{HOST}:{ports['kafka']}"


class PostgresServer(Server):
    """A Postgres with the settings of the embedded stack."""

    def __init__(self, path: Path) -> None:
        folder = new_folder(path)
        port = free_ports(["postgres"])["postgres"]
        programs = ensure_bundles(lambda *_: None)["postgres"]
        super().__init__(folder, postgres_part(folder, programs, port))
        self.superuser_url = (
            f"postgresql://postgres:{folder.secret('postgres')}@{HOST}:{port}/postgres"
        )

    @property
    def home(self) -> Path | None:
        """Where its data is: as root, outside the state folder."""
        return postgres_home(self.folder)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Redis-compatible server of this run's own."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey of one test's own, which it may stop or kill."""
    server = ValkeyServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey_url(valkey_server: ValkeyServer) -> str:
    """Its URL, with nothing in it."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A Postgres of this run's own.

    It does not wait for its disk: tests make hundreds of databases, and no machine crashes in them.
    A stack does, as a test of the losses checks.
    """
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    with psycopg.connect(server.superuser_url, autocommit=True) as superuser:
        superuser.execute("ALTER SYSTEM SET fsync = off")
        superuser.execute("SELECT pg_reload_conf()")
    yield server
    server.stop()
    if server.home:
        shutil.rmtree(server.home)
