"""Connections to Postgres, and what its failures mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from coupons.errors import LedgerUnavailable, OutcomeUnknown

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_MS = 5_000

Connection = psycopg.Connection[Any]

_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "lock_timeout": STATEMENT_TIMEOUT_MS,
        "timezone": "UTC",
    }.items()
)


def connect_ledger(url: str, application_name: str) -> Connection:
    """Return an autocommit connection with bounded waiting. Raises LedgerUnavailable."""
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            prepare_threshold=0,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=application_name,
            options=_OPTIONS,
            # An unreachable server is noticed within seconds, not after the kernel's minutes.
            tcp_user_timeout=STATEMENT_TIMEOUT_MS,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=2,
        )
    except psycopg.OperationalError as error:
        raise LedgerUnavailable(f"Postgres cannot be reached: {error}") from error


def ledger_pool(url: str, application_name: str, size: int) -> ConnectionPool[Connection]:
    """A pool for reads; it connects in the background and heals itself."""
    return ConnectionPool(
        url,
        min_size=1,
        max_size=size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        check=ConnectionPool.check_connection,
        kwargs={
            "autocommit": True,
            "application_name": application_name,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": _OPTIONS,
        },
        open=True,
    )


@contextmanager
def pooled(pool: ConnectionPool[Connection]) -> Iterator[Connection]:
    """A connection of the pool. Raises LedgerUnavailable when there is none or it breaks."""
    try:
        with pool.connection() as connection, translated(connection):
            yield connection
    except PoolTimeout as error:
        raise LedgerUnavailable(f"Postgres cannot be reached: {error}") from error


@contextmanager
def translated(connection: Connection) -> Iterator[None]:
    """Turn Postgres' operational failures into errors of this project.

    LedgerUnavailable: it said no. OutcomeUnknown: the connection was lost before the answer. Errors
    of other kinds (a violated constraint) pass as they are.
    """
    try:
        yield
    except psycopg.OperationalError as error:
        if connection.broken or connection.closed:
            raise OutcomeUnknown(f"the connection to Postgres was lost: {error}") from error
        raise LedgerUnavailable(f"Postgres could not do it: {error}") from error
