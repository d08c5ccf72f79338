"""Connections to Postgres, and what its failures mean."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import psycopg
import psycopg.errors
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from coupons.errors import LedgerUnavailable, OutcomeUnknown

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_MS = 5_000
SILENCE_TIMEOUT_MS = 30_000
ANSWER_TIMEOUT_SECONDS = 6.0

_FINAL_SEVERITIES = ("FATAL", "PANIC")

REFUSALS = (
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.errors.WithCheckOptionViolation,
    psycopg.errors.RaiseException,
)
"""What is wrong with the rows: the same again is refused again, while others may go through.

Everything else is wrong with the server, the schema or the rights, whatever the rows are. What
passes by itself (a deadlock, a timeout, a full disk, a restart) and what waits for a person (a
missing table, a missing right) are treated alike: tried again later.
"""

Connection = psycopg.Connection[Any]
T = TypeVar("T")


def _options(answer_timeout_seconds: float) -> str:
    """Of a session: whoever waits long for answers has long statements, never long locks."""
    values = {
        "statement_timeout": max(STATEMENT_TIMEOUT_MS, int(answer_timeout_seconds * 1000)),
        "lock_timeout": STATEMENT_TIMEOUT_MS,
        # A process that is stopped in the middle of a transaction keeps no row locked for long.
        "idle_in_transaction_session_timeout": SILENCE_TIMEOUT_MS,
        "tcp_user_timeout": SILENCE_TIMEOUT_MS,
        "timezone": "UTC",
    }
    return " ".join(f"-c {name}={value}" for name, value in values.items())


class BoundedConnection(psycopg.Connection[Any]):
    """Gives up on a server that does not answer at all, and closes itself.

    The server's own statement_timeout is no help when the server is stopped or cut off.
    """

    answer_timeout_seconds = ANSWER_TIMEOUT_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Like its parent's, bounded. Raises OperationalError."""
        began = monotonic()
        try:
            return super().wait(gen, interval, timeout or self.answer_timeout_seconds)
        except psycopg.OperationalError:
            if monotonic() - began >= self.answer_timeout_seconds:
                self.pgconn.finish()
            raise


LedgerPool = ConnectionPool[BoundedConnection]


def connect_ledger(
    url: str, application_name: str, answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS
) -> Connection:
    """Return an autocommit connection with bounded waiting. Raises LedgerUnavailable."""
    try:
        connection = BoundedConnection.connect(
            url,
            autocommit=True,
            prepare_threshold=0,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=application_name,
            options=_options(answer_timeout_seconds),
            # An unreachable server is noticed within seconds, not after the kernel's minutes.
            tcp_user_timeout=STATEMENT_TIMEOUT_MS,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=2,
        )
    except psycopg.OperationalError as error:
        raise LedgerUnavailable(f"Postgres cannot be reached: {error}") from error
    connection.answer_timeout_seconds = answer_timeout_seconds
    return connection


def ledger_pool(
    url: str,
    application_name: str,
    size: int,
    answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
) -> LedgerPool:
    """A pool for reads; it connects in the background and heals itself."""

    def configure(connection: BoundedConnection) -> None:
        connection.answer_timeout_seconds = answer_timeout_seconds

    return ConnectionPool(
        url,
        connection_class=BoundedConnection,
        min_size=1,
        max_size=size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        configure=configure,
        check=ConnectionPool.check_connection,
        kwargs={
            "autocommit": True,
            "application_name": application_name,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": _options(answer_timeout_seconds),
        },
        open=True,
    )


@contextmanager
def pooled(pool: LedgerPool) -> Iterator[Connection]:
    """A connection of the pool. Raises LedgerUnavailable when there is none or it breaks."""
    try:
        with pool.connection() as connection, translated(connection):
            yield connection
    except PoolTimeout as error:
        raise LedgerUnavailable(f"Postgres cannot be reached: {error}") from error


@contextmanager
def translated(connection: Connection) -> Iterator[None]:
    """Turn Postgres' failures into errors of this project; REFUSALS pass as they are.

    LedgerUnavailable: it said no, and nothing was changed. OutcomeUnknown: the connection was lost
    before the answer; it is closed then.
    """
    try:
        yield
    except psycopg.Error as error:
        if _is_spent(connection, error):
            connection.close()
            raise OutcomeUnknown(f"the connection to Postgres was lost: {error}") from error
        if isinstance(error, REFUSALS):
            raise
        if not isinstance(error, psycopg.OperationalError):
            # It may hang on this session (a server that became a read-only standby, the plan of a
            # table that changed): the next attempt gets a new one.
            connection.close()
        raise LedgerUnavailable(
            f"Postgres could not do it: {error} ({type(error).__name__})"
        ) from error


def _is_spent(connection: Connection, error: psycopg.Error) -> bool:
    """Whether nothing more can be done over a connection after an error.

    One that the server ends in the middle of a pipeline seems open for ever: it stays there.
    """
    return (
        connection.closed
        or error.diag.severity_nonlocalized in _FINAL_SEVERITIES
        or connection.pgconn.transaction_status != TransactionStatus.IDLE
    )


def int_array(numbers: Iterable[int]) -> str:
    """An array parameter as Postgres' own text, which is cheaper than adapting each number."""
    return "{" + ",".join(map(str, numbers)) + "}"
