"""Servers and databases for the tests: each started once for the run, when a test first asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.databases import Database, PostgresServer, run_postgres
from tests.servers import run_valkey

KINDS = {"unit", "gate", "ledger", "api", "consumer", "stack", "pipeline"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's kind is the folder it lies in; `-m gate` selects by it."""
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in KINDS:
            item.add_marker(getattr(pytest.mark, folder))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis-compatible server of this run's own."""
    with run_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def valkey_url(valkey_server: str) -> str:
    """The same server, emptied for the test."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A Postgres of this run's own, with a migrated template database."""
    with run_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A migrated, empty database for the test: a copy of the template, dropped afterwards."""
    with postgres_server.copy_of_template() as copy:
        yield copy
