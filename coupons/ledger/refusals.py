"""What a failure of Postgres means: it is down, or it answers and refuses. Only this file knows.

While it connects, the client gets the server's text without an error code. The text is English
where `lc_messages` is C, as on the stacks of this project; any other text is passed on as it is.
"""

from enum import StrEnum

import psycopg
from psycopg import errors

from coupons.errors import LedgerUnavailable


class LedgerRefusal(StrEnum):
    """Why a Postgres that answers refuses, as a sentence."""

    READ_ONLY = "Postgres takes no writes: it is a standby, or set to read only"
    DISK_FULL = "Postgres takes no writes: its disk is full"
    NO_CONNECTIONS = "Postgres has no free connection: max_connections of them are open"
    STARTING = "Postgres is not ready: it is starting or stopping"
    LOCKED = "Postgres waited too long for a lock"
    STANDBY_AWAY = "Postgres confirms no commit: it waits for a synchronous standby"
    ABANDONED = "Postgres is still running statements that this process has given up"
    NOT_ALLOWED = "Postgres does not permit this to the role"
    OTHER_SCHEMA = "Postgres has the schema of another version: run `coupon migrate`"


_WHAT_TO_TYPE = {
    LedgerRefusal.NOT_ALLOWED: ": run `coupon migrate` if it has not run for this version"
}
"""Behind what Postgres said, which is cut at its end where there is little room."""


class LedgerRefused(LedgerUnavailable):
    """Postgres answers, and nothing was changed. The text says why."""

    def __init__(self, refusal: LedgerRefusal, detail: str) -> None:
        super().__init__(f"{refusal} ({detail}){_WHAT_TO_TYPE.get(refusal, '')}")
        self.refusal = refusal


class TooMuchAbandoned(psycopg.OperationalError):
    """No new connection is made until Postgres has ended some abandoned ones."""


_BY_CLASS: dict[type[psycopg.Error], LedgerRefusal] = {
    errors.ReadOnlySqlTransaction: LedgerRefusal.READ_ONLY,
    errors.DiskFull: LedgerRefusal.DISK_FULL,
    errors.TooManyConnections: LedgerRefusal.NO_CONNECTIONS,
    errors.CannotConnectNow: LedgerRefusal.STARTING,
    errors.LockNotAvailable: LedgerRefusal.LOCKED,
    errors.InsufficientPrivilege: LedgerRefusal.NOT_ALLOWED,
    errors.UndefinedTable: LedgerRefusal.OTHER_SCHEMA,
    errors.UndefinedColumn: LedgerRefusal.OTHER_SCHEMA,
    errors.UndefinedFunction: LedgerRefusal.OTHER_SCHEMA,
    TooMuchAbandoned: LedgerRefusal.ABANDONED,
}
_BY_WORDS = {
    "too many clients": LedgerRefusal.NO_CONNECTIONS,
    "remaining connection slots are reserved": LedgerRefusal.NO_CONNECTIONS,
    "too many connections for": LedgerRefusal.NO_CONNECTIONS,
    "session is read-only": LedgerRefusal.READ_ONLY,
    "server is in hot standby mode": LedgerRefusal.READ_ONLY,
    "the database system is starting up": LedgerRefusal.STARTING,
    "the database system is shutting down": LedgerRefusal.STARTING,
    "the database system is not yet accepting connections": LedgerRefusal.STARTING,
    "the database system is in recovery mode": LedgerRefusal.STARTING,
    "password authentication failed": LedgerRefusal.NOT_ALLOWED,
    "no pg_hba.conf entry": LedgerRefusal.NOT_ALLOWED,
    "permission denied for database": LedgerRefusal.NOT_ALLOWED,
}


def refused(error: psycopg.Error) -> LedgerRefused | None:
    """The refusal behind an error of Postgres; None for every other error."""
    detail = str(error).strip()
    for kind, refusal in _BY_CLASS.items():
        if isinstance(error, kind):
            return LedgerRefused(refusal, f"{type(error).__name__}: {detail}")
    return None


def unreachable(error: psycopg.Error) -> LedgerUnavailable:
    """Why no connection could be made."""
    detail = str(error).strip()
    found = refused(error)
    if found is not None:
        return found
    for words, refusal in _BY_WORDS.items():
        if words in detail:
            return LedgerRefused(refusal, detail)
    return LedgerUnavailable(f"Postgres cannot be reached: {detail}")
