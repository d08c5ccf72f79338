"""Connections to Postgres, and the meaning of its errors."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, ClassVar, Self, TypeVar

import psycopg
import psycopg.errors
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from coupons.errors import LedgerUnavailable, OutcomeUnknown
from coupons.ledger.abandoned import ABANDONED
from coupons.ledger.refusals import TooMuchAbandoned, refused, unreachable

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_MS = 5_000
SILENCE_TIMEOUT_MS = 30_000
ANSWER_TIMEOUT_SECONDS = 6.0

_WAITS_FOR_STANDBY = "SyncRepWaitForLSN"
"""The server's function that warns that no standby confirmed a commit."""
_FINAL_SEVERITIES = ("FATAL", "PANIC")

ROW_ERRORS = (
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.errors.WithCheckOptionViolation,
    psycopg.errors.RaiseException,
)
"""Errors of the rows: the same rows fail again, while others may succeed.

All other errors are of the server, the schema or the permissions, whatever the rows are. Errors
that pass (a deadlock, a timeout, a full disk, a restart) and errors that a person has to fix (a
missing table, a missing permission) are handled alike: tried again later.
"""

Connection = psycopg.Connection[Any]
T = TypeVar("T")


_BY_KEY = {"enable_seqscan": "off", "jit": "off"}
"""A session keeps the plans of its statements. One that was made while a table was small reads that
table from end to end, however large it has become, until the table is analyzed: on a new ledger
all through the first minute of a sale. Compilation would cost more than a look-up."""


def _options(answer_timeout_seconds: float, by_key: bool) -> str:
    """Session options: a long answer timeout allows long statements, but no long locks."""
    values: dict[str, int | str] = {
        "statement_timeout": max(STATEMENT_TIMEOUT_MS, int(answer_timeout_seconds * 1000)),
        "lock_timeout": STATEMENT_TIMEOUT_MS,
        # A process that is stopped inside a transaction keeps rows locked only for this long.
        "idle_in_transaction_session_timeout": SILENCE_TIMEOUT_MS,
        "tcp_user_timeout": SILENCE_TIMEOUT_MS,
        "timezone": "UTC",
        **(_BY_KEY if by_key else {}),
    }
    return " ".join(f"-c {name}={value}" for name, value in values.items())


class BoundedConnection(psycopg.Connection[Any]):
    """Gives up when the server does not answer at all, and closes itself.

    The server's own statement_timeout does not help when the server is stopped or cut off, nor
    while a commit waits for a standby. A statement that is given up is cancelled at the server.
    """

    answer_timeout_seconds = ANSWER_TIMEOUT_SECONDS
    last_failure: ClassVar[psycopg.Error | None] = None
    """Why this process could not connect the last time; None: it could connect."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unconfirmed = False
        self.add_notice_handler(self._note)

    @classmethod
    def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """As in the base class. Also raises TooMuchAbandoned, which bounds their number."""
        try:
            if ABANDONED.full:
                count = ABANDONED.count
                raise TooMuchAbandoned(f"{count} connections are not ended yet: try again")
            connection = super().connect(*args, **kwargs)
        except psycopg.Error as error:
            BoundedConnection.last_failure = error
            raise
        BoundedConnection.last_failure = None
        return connection

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        # The text depends on the server's language.
        if notice.source_function == _WAITS_FOR_STANDBY:
            self._unconfirmed = True

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As in the base class, with a timeout. Raises OperationalError."""
        began = monotonic()
        try:
            answer = super().wait(gen, interval, timeout or self.answer_timeout_seconds)
        except psycopg.OperationalError:
            if monotonic() - began >= self.answer_timeout_seconds:
                ABANDONED.take(self)
            raise
        if self._unconfirmed:
            # Somebody cancelled the wait at the server, which then answers as after a success.
            self.close()
            raise psycopg.OperationalError(
                "committed on this server, and not confirmed by a synchronous standby"
            )
        return answer


LedgerPool = ConnectionPool[BoundedConnection]


def connect_ledger(
    url: str,
    application_name: str,
    answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
    *,
    by_key: bool = False,
) -> Connection:
    """An autocommit connection with bounded waiting. Raises LedgerUnavailable.

    by_key: its statements look rows up by an index, and never read a table from end to end.
    """
    try:
        connection = BoundedConnection.connect(
            url,
            autocommit=True,
            prepare_threshold=0,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=application_name,
            options=_options(answer_timeout_seconds, by_key),
            # An unreachable server is noticed within seconds instead of minutes.
            tcp_user_timeout=STATEMENT_TIMEOUT_MS,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=2,
        )
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    connection.answer_timeout_seconds = answer_timeout_seconds
    return connection


def ledger_pool(
    url: str,
    application_name: str,
    size: int,
    answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
) -> LedgerPool:
    """A pool for look-ups; it connects in the background and replaces broken connections."""

    def configure(connection: BoundedConnection) -> None:
        connection.answer_timeout_seconds = answer_timeout_seconds

    return ConnectionPool(
        url,
        connection_class=BoundedConnection,
        min_size=1,
        max_size=size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        configure=configure,
        kwargs={
            "autocommit": True,
            "application_name": application_name,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": _options(answer_timeout_seconds, by_key=True),
        },
        open=True,
    )


@contextmanager
def pooled(pool: LedgerPool) -> Iterator[Connection]:
    """A connection of the pool. Raises LedgerUnavailable: there is none, or it breaks."""
    try:
        taken = _take(pool)
    except PoolTimeout as error:
        # The pool itself only says that it took too long.
        raise unreachable(BoundedConnection.last_failure or error) from error
    try:
        with taken as connection, translated(connection):
            yield connection
    finally:
        pool.putconn(taken)


def _take(pool: LedgerPool) -> BoundedConnection:
    """A connection that works. Those that broke while they were idle are replaced at once.

    The pool's own `check` would wait a second, and two, after each of them.
    """
    for _ in range(pool.max_size):
        connection = pool.getconn()
        with suppress(psycopg.OperationalError):
            pool.check_connection(connection)
            return connection
        pool.putconn(connection)
    return pool.getconn()


@contextmanager
def translated(connection: Connection) -> Iterator[None]:
    """Turn errors of Postgres into errors of this project; ROW_ERRORS pass as they are.

    LedgerUnavailable: it refused, and nothing was changed. OutcomeUnknown: the connection was lost
    before the answer; it is closed then. Inside of a transaction errors pass as they are: whoever
    began it turns them when it is rolled back. Before that, each looks like a lost connection.
    """
    is_inside = connection.pgconn.transaction_status == TransactionStatus.INTRANS
    try:
        yield
    except psycopg.Error as error:
        if is_inside:
            raise
        if _is_spent(connection, error):
            connection.close()
            raise OutcomeUnknown(f"the connection to Postgres was lost: {error}") from error
        if isinstance(error, ROW_ERRORS):
            raise
        if not isinstance(error, psycopg.OperationalError):
            # The cause may be this session (the server became a read-only standby, a table
            # changed): the next attempt gets a new one.
            connection.close()
        raise refused(error) or LedgerUnavailable(
            f"Postgres could not do it: {error} ({type(error).__name__})"
        ) from error


def _is_spent(connection: Connection, error: psycopg.Error) -> bool:
    """Whether a connection cannot be used any more after an error.

    A connection that the server ends inside a pipeline never leaves the pipeline, and seems open.
    """
    return (
        connection.closed
        or error.diag.severity_nonlocalized in _FINAL_SEVERITIES
        or connection.pgconn.transaction_status != TransactionStatus.IDLE
    )


def int_array(numbers: Iterable[int]) -> str:
    """An array parameter as text of Postgres: cheaper than adapting each number."""
    return "{" + ",".join(map(str, numbers)) + "}"
