"""A clean, migrated database for each test, in milliseconds: a copy of a template."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from coupons.ledger.migrations import admit_roles, create_database, create_roles, migrate
from coupons.ledger.roles import OWNER, ROLES, role_url
from tests.support.servers import PostgresServer

PASSWORDS = {f"coupon_{role}": "of-a-test" for role in ROLES}
TEMPLATE = "coupon_template"


@dataclass(frozen=True)
class Database:
    """One database of a server."""

    superuser_url: str
    name: str

    def url(self, role: str) -> str:
        """Its URL as one of the project's roles, such as coupon_api."""
        return role_url(self.superuser_url, role, PASSWORDS[role], self.name)


class Databases:
    """Makes databases on a server, all from one migrated template, over one connection."""

    def __init__(self, superuser_url: str) -> None:
        self._superuser_url = superuser_url
        self._made = 0
        create_roles(superuser_url, PASSWORDS)
        create_database(superuser_url, TEMPLATE, OWNER)
        admit_roles(superuser_url, TEMPLATE)
        migrate(role_url(superuser_url, OWNER, PASSWORDS[OWNER], TEMPLATE))
        self._superuser = psycopg.connect(superuser_url, autocommit=True)

    def close(self) -> None:
        """Close the connection."""
        self._superuser.close()

    def make(self) -> Database:
        """A copy of the template, which stays."""
        self._made += 1
        made = Database(self._superuser_url, f"test_{os.getpid()}_{self._made}")
        self._run("CREATE DATABASE {} TEMPLATE {} OWNER {}", made.name, TEMPLATE, OWNER)
        return made

    @contextmanager
    def fresh(self) -> Iterator[Database]:
        """A copy of the template, dropped at the end whoever is still connected to it."""
        made = self.make()
        try:
            yield made
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", made.name)

    def _run(self, statement: str, *names: str) -> None:
        identifiers = [sql.Identifier(name) for name in names]
        self._superuser.execute(sql.SQL(statement).format(*identifiers))


@pytest.fixture(scope="session")
def databases(postgres_server: PostgresServer) -> Iterator[Databases]:
    """Makes databases on the run's Postgres."""
    with closing(Databases(postgres_server.superuser_url)) as databases:
        yield databases


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    """A migrated, empty database for the test, dropped afterwards."""
    with databases.fresh() as made:
        yield made
