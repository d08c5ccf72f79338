"""A Postgres for the tests, and a clean database for each of them in milliseconds."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from ops.database import OWNER, create_database, create_roles, migrate, role_url
from stack.cache import ensure_bundles
from tests.servers import free_port
from tests.waiting import eventually

ROLES = ("owner", "api", "consumer", "reconciler", "cdc", "ops", "registry")
PASSWORDS = {f"coupon_{role}": "of-a-test" for role in ROLES}
TEMPLATE = "coupon_template"


@dataclass(frozen=True)
class Database:
    """One database of the tests' server."""

    superuser_url: str
    name: str

    def url(self, role: str) -> str:
        """Its URL as one of the project's roles, such as coupon_api."""
        return role_url(self.superuser_url, role, PASSWORDS[role], self.name)

    @property
    def owner_url(self) -> str:
        """Its URL as the owner of the schema."""
        return self.url(OWNER)


@dataclass
class PostgresServer:
    """The server, and how many databases were made on it."""

    superuser_url: str
    made: int = 0

    def prepare(self) -> None:
        """Make the roles and the template."""
        create_roles(self.superuser_url, PASSWORDS)
        create_database(self.superuser_url, TEMPLATE, OWNER)
        migrate(role_url(self.superuser_url, OWNER, PASSWORDS[OWNER], TEMPLATE))

    @contextmanager
    def copy_of_template(self) -> Iterator[Database]:
        """A copy of the template, dropped at the end whoever is still connected to it."""
        self.made += 1
        name = f"test_{os.getpid()}_{self.made}"
        self._run(
            "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy OWNER {}", name, TEMPLATE, OWNER
        )
        try:
            yield Database(self.superuser_url, name)
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            identifiers = [sql.Identifier(name) for name in names]
            connection.execute(sql.SQL(statement).format(*identifiers))


@contextmanager
def run_postgres(folder: Path) -> Iterator[PostgresServer]:
    """Provisional: replaced by the stack's own Postgres part."""
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    port = free_port()
    shutil.copytree(ensure_bundles(lambda _a, _b: None)["postgres"], home / "pg")
    user = {}
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "nobody", home], check=True)
        user = {"user": "nobody"}
    subprocess.run(
        [home / "pg/bin/initdb", "-D", home / "data", "-A", "trust", "-U", "postgres"],
        check=True,
        cwd=home,
        stdout=subprocess.DEVNULL,
        **user,
    )
    options = f"-c port={port} -c unix_socket_directories= -c wal_level=logical -c fsync=off -c listen_addresses=127.0.0.1"
    process = subprocess.Popen(
        [home / "pg/bin/postgres", "-D", home / "data", *options.split()],
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
        **user,
    )
    try:
        server = PostgresServer(f"postgresql://postgres@127.0.0.1:{port}/postgres")
        eventually(lambda: _connects(server.superuser_url), 30)
        server.prepare()
        yield server
    finally:
        process.send_signal(2)
        process.wait()
        shutil.rmtree(home)


def _connects(url: str) -> bool:
    try:
        psycopg.connect(url).close()
        return True
    except psycopg.OperationalError as error:
        raise OSError from error
