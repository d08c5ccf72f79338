"""Prepares a Postgres server for the project: roles, database, migrations, replication slot."""

from collections.abc import Mapping
from contextlib import closing
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import yoyo
from psycopg import sql

from coupons.errors import ConfigurationError, LedgerUnavailable
from coupons.queries import SQL_FOLDER

SLOT = "coupon_cdc"
OWNER = "coupon_owner"


def prepare_database(superuser_url: str, database: str, passwords: Mapping[str, str]) -> None:
    """Make the server at `superuser_url` ready to be used; safe to repeat.

    database: its name; created when missing, owned by coupon_owner. passwords: one for each role of
    sql/roles.sql, set anew each time. Ends with the replication slot in place, so that not one
    request can be written before it. Raises ConfigurationError or LedgerUnavailable.
    """
    try:
        create_roles(superuser_url, passwords)
        create_database(superuser_url, database, OWNER)
        migrate(role_url(superuser_url, OWNER, passwords[OWNER], database))
        create_slot(role_url(superuser_url, "coupon_cdc", passwords["coupon_cdc"], database))
    except psycopg.OperationalError as error:
        raise LedgerUnavailable(f"Postgres could not be prepared: {error}") from error


def role_url(url: str, role: str, password: str, database: str) -> str:
    """The same server as another role, in another database."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    netloc = f"{role}:{quote(password, safe='')}@{place}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))


def create_roles(superuser_url: str, passwords: Mapping[str, str]) -> None:
    """Create the roles that are missing and set every role's password."""
    with psycopg.connect(superuser_url) as connection:
        connection.execute((SQL_FOLDER / "roles.sql").read_bytes())
        for role, password in passwords.items():
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))


def create_database(superuser_url: str, database: str, owner: str) -> None:
    """Create the database when it is missing; nobody but its owner may create things in it."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [database])
        if found.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {} OWNER {}")
            connection.execute(statement.format(sql.Identifier(database), sql.Identifier(owner)))


def migrate(owner_url: str) -> list[str]:
    """Apply the migrations of sql/migrations that are not applied yet; return their names.

    Under an advisory lock: the lock of yoyo itself is a row that a killed process leaves behind.
    """
    migrations = yoyo.read_migrations(str(SQL_FOLDER / "migrations"))
    with psycopg.connect(owner_url, autocommit=True) as lock:
        lock.execute("SELECT pg_advisory_lock(hashtext('coupon migrations'))")
        backend = yoyo.get_backend(_yoyo_url(owner_url, lock.info))
        with closing(backend.connection):
            outstanding = backend.to_apply(migrations)
            backend.apply_migrations(outstanding)
    return [migration.id for migration in outstanding]


def _yoyo_url(owner_url: str, connected: psycopg.ConnectionInfo) -> str:
    """As yoyo wants it, which knows no lists of servers: of those, the one connected to."""
    parts = urlsplit(owner_url)._replace(scheme="postgresql+psycopg")
    login, _, servers = parts.netloc.rpartition("@")
    if "," in servers:
        parts = parts._replace(netloc=f"{login}@{connected.host}:{connected.port}")
    return urlunsplit(parts)


def create_slot(cdc_url: str) -> None:
    """Make the replication slot that Debezium reads from, when there is none.

    failover: a standby keeps a copy of it (Postgres 17 and later). Raises ConfigurationError when a
    slot of that name belongs to another database or plugin.
    """
    with psycopg.connect(cdc_url, autocommit=True) as connection:
        slot = connection.execute(
            "SELECT database = current_database() AND plugin = 'pgoutput'"
            " FROM pg_replication_slots WHERE slot_name = %s",
            [SLOT],
        ).fetchone()
        if slot is None:
            connection.execute(
                "SELECT pg_create_logical_replication_slot(%s, 'pgoutput', failover => true)",
                [SLOT],
            )
        elif not slot[0]:
            raise ConfigurationError(
                f"the replication slot {SLOT} exists, but for another database or plugin;"
                " drop it there, or use another Postgres server"
            )
