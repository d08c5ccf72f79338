"""Roles, database and migrations of the project on a Postgres server."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from urllib.parse import urlunsplit

import psycopg
import yoyo
from psycopg import sql

from coupons.ledger.silent_sessions import SILENT_SECONDS, end_when_silent
from coupons.links.host_lists import split_url
from coupons.queries import SQL_FOLDER


def create_roles(superuser_url: str, passwords: Mapping[str, str]) -> None:
    """Create the roles that are missing and set every role's password."""
    with psycopg.connect(superuser_url) as connection:
        connection.execute((SQL_FOLDER / "roles.sql").read_bytes())
        for role, password in passwords.items():
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))


def create_database(superuser_url: str, database: str, owner: str) -> None:
    """Create the database when it is missing; only its owner may connect to it."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [database])
        if found.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {} OWNER {}")
            connection.execute(statement.format(sql.Identifier(database), sql.Identifier(owner)))
    # Also for an existing database: by default every role may connect.
    close_databases(superuser_url, [database])


def close_databases(superuser_url: str, databases: Sequence[str]) -> None:
    """Let only the owners connect to these databases, as far as they exist."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE datname = ANY(%s)", [list(databases)]
        )
        for (name,) in found.fetchall():
            statement = sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC")
            connection.execute(statement.format(sql.Identifier(name)))


def admit_roles(superuser_url: str, database: str) -> None:
    """Let the project's roles connect to the database, and only some take advisory locks."""
    with psycopg.connect(superuser_url, dbname=database) as connection:
        connection.execute((SQL_FOLDER / "database.sql").read_bytes())


def migrate(owner_url: str) -> list[str]:
    """Apply the migrations of sql/migrations that are not applied yet; return their names.

    Under an advisory lock, because yoyo's own lock is a row that a killed process leaves behind. A
    process that is stopped loses this lock and those on the tables.
    """
    migrations = yoyo.read_migrations(str(SQL_FOLDER / "migrations"))
    with psycopg.connect(owner_url, autocommit=True) as connected:
        backend = yoyo.get_backend(_yoyo_url(owner_url, connected.info))
    with closing(backend.connection):
        end_when_silent(backend.connection, SILENT_SECONDS)
        backend.connection.execute("SELECT pg_advisory_lock(hashtext('coupon migrations'))")
        outstanding = backend.to_apply(migrations)
        backend.apply_migrations(outstanding)
    return [migration.id for migration in outstanding]


def _yoyo_url(owner_url: str, connected: psycopg.ConnectionInfo) -> str:
    """The URL for yoyo. It accepts no list of servers, so this names the connected one."""
    parts = split_url(owner_url)._replace(scheme="postgresql+psycopg")
    login, _, servers = parts.netloc.rpartition("@")
    if "," in servers:
        host = f"[{connected.host}]" if ":" in connected.host else connected.host
        parts = parts._replace(netloc=f"{login}@{host}:{connected.port}")
    return urlunsplit(parts)
