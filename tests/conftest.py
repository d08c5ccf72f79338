"""Servers and databases for the tests: each started once for the run, when a test first asks."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from stack.disposable import DisposableStack, disposable_stack
from tests.databases import Database, Databases
from tests.servers import PostgresServer, ValkeyServer

KINDS = {
    "unit",
    "gate",
    "ledger",
    "reconciler",
    "api",
    "connectors",
    "consumer",
    "security",
    "stack",
    "compose",
    "pipeline",
    "model",
    "losses",
    "faults",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed",
        type=int,
        help="of the random fault test: which faults when; by default another one each time",
    )
    parser.addoption(
        "--cluster",
        action="store_true",
        help="also kill each container of the cluster overlay in turn: some ten minutes, 4 GiB",
    )
    parser.addoption(
        "--stack",
        metavar="FOLDER",
        help="run pipeline tests on the stack with this state folder, which runs already",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's kind is the folder it lies in; `-m gate` selects by it."""
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in KINDS:
            item.add_marker(getattr(pytest.mark, folder))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Redis-compatible server of this run's own."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
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
    """A Postgres of this run's own."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()
    if server.home:
        shutil.rmtree(server.home)


@pytest.fixture(scope="session")
def databases(postgres_server: PostgresServer) -> Databases:
    """Makes databases on it."""
    return Databases(postgres_server.superuser_url)


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    """A migrated, empty database for the test, dropped afterwards."""
    with databases.fresh() as made:
        yield made


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[DisposableStack]:
    """The whole embedded stack, once for the run; a test leaves it running and in order."""
    folder = request.config.getoption("--stack")
    if folder:
        running = DisposableStack(Path(folder).absolute())
        running.adopt()
        yield running
        return
    with disposable_stack() as own:
        yield own
