"""The section of the runbook for an error, and the sentence that a check reports for it."""

from textwrap import shorten

import psycopg
import psycopg.errors

from coupons.errors import (
    ConnectUnavailable,
    CouponError,
    KafkaUnavailable,
    LedgerUnavailable,
    PartNotRunningError,
    RedisUnavailable,
    SchemaRegistryUnavailable,
)
from coupons.gate.refusals import GateRefusal, GateRefused
from coupons.ledger.refusals import LedgerRefusal, LedgerRefused
from operations.doctor.findings import Section
from stack.errors import StackError

LONGEST_SENTENCE = 200
_PART = {
    "postgres": Section.POSTGRES_DOWN,
    "valkey": Section.REDIS_DOWN,
    "kafka": Section.KAFKA_DOWN,
    "registry": Section.REGISTRY_DOWN,
    "connect": Section.CONNECT_DOWN,
}
_UNAVAILABLE: dict[type[Exception], Section] = {
    RedisUnavailable: Section.REDIS_DOWN,
    LedgerUnavailable: Section.POSTGRES_DOWN,
    KafkaUnavailable: Section.KAFKA_DOWN,
    SchemaRegistryUnavailable: Section.REGISTRY_DOWN,
    ConnectUnavailable: Section.CONNECT_DOWN,
}
_GATE = {
    GateRefusal.MAY_EVICT: Section.REDIS_EVICTS,
    GateRefusal.STARTING: Section.REDIS_DOWN,
}
_LEDGER = {
    LedgerRefusal.NO_CONNECTIONS: Section.NO_CONNECTIONS,
    LedgerRefusal.STARTING: Section.POSTGRES_DOWN,
    LedgerRefusal.LOCKED: Section.LOCKED,
    LedgerRefusal.STANDBY_AWAY: Section.STANDBY_DOWN,
    LedgerRefusal.ABANDONED: Section.STANDBY_DOWN,
    LedgerRefusal.NOT_ALLOWED: Section.NOT_PREPARED,
    LedgerRefusal.OTHER_SCHEMA: Section.NOT_PREPARED,
}
_LOCKED_OUT = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
)


def runbook_section(error: Exception) -> Section | None:
    """The section of the runbook for the error; None when the error is not about a server.

    A server that answers and refuses is not down: a missing table or right means that the database
    is not prepared.
    """
    if isinstance(error, PartNotRunningError):
        return _PART.get(error.part, Section.PART_DOWN)
    cause = error.__cause__
    if isinstance(cause, psycopg.errors.DiskFull):
        return Section.DISK_FULL
    if is_refusal(error):
        return section_of(error, Section.POSTGRES_REFUSES)
    if isinstance(cause, psycopg.ProgrammingError) or is_locked_out(cause):
        return Section.NOT_PREPARED
    return next(
        (section for kind, section in _UNAVAILABLE.items() if isinstance(error, kind)), None
    )


def section_of(error: Exception, otherwise: Section) -> Section:
    """The section on this refusal; `otherwise` for an error that is no refusal."""
    if isinstance(error, GateRefused):
        return _GATE.get(error.refusal, Section.REDIS_REFUSES)
    if isinstance(error, LedgerRefused):
        return _LEDGER.get(error.refusal, Section.POSTGRES_REFUSES)
    return otherwise


def is_locked_out(cause: BaseException | None) -> bool:
    """Whether Postgres answered that this role may not log in, or that the database is missing."""
    says = str(cause)
    return isinstance(cause, psycopg.OperationalError) and any(each in says for each in _LOCKED_OUT)


def is_refusal(error: Exception) -> bool:
    """Whether the server answered with the reason why it does not serve."""
    return isinstance(error, GateRefused | LedgerRefused)


def sentence(error: Exception) -> str:
    """The error in one line; with its type when it is not an error of this project."""
    line = str(error).strip().partition("\n")[0]
    if not isinstance(error, CouponError | StackError):
        line = f"{type(error).__name__}: {line}"
    return shorten(line, LONGEST_SENTENCE, placeholder=" ...")
