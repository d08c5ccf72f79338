"""What an error of a check says of the servers: which of them is away, or only that it looked in
vain."""

from textwrap import shorten

import psycopg
import psycopg.errors

from coupons.errors import (
    ConnectUnavailable,
    CouponError,
    GateUnavailable,
    KafkaUnavailable,
    LedgerUnavailable,
    PartNotRunningError,
    SchemaRegistryUnavailable,
)
from coupons.gate.refusals import GateRefused
from coupons.ledger.refusals import LedgerRefused
from operations.doctor.findings import Section
from operations.doctor.refusals import section_of
from stack.errors import StackError

LONGEST_SENTENCE = 200

_PART = {
    "postgres": Section.POSTGRES_DOWN,
    "valkey": Section.REDIS_DOWN,
    "kafka": Section.KAFKA_DOWN,
    "registry": Section.REGISTRY_DOWN,
    "connect": Section.CONNECT_DOWN,
}

_AWAY: dict[type[Exception], Section] = {
    GateUnavailable: Section.REDIS_DOWN,
    LedgerUnavailable: Section.POSTGRES_DOWN,
    KafkaUnavailable: Section.KAFKA_DOWN,
    SchemaRegistryUnavailable: Section.REGISTRY_DOWN,
    ConnectUnavailable: Section.CONNECT_DOWN,
}

_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "permission denied")


def blamed(error: Exception) -> Section | None:
    """The section of the runbook that the error leads to; None when it tells of no server.

    A server that answers with a refusal is not away: a missing table or right is one of the
    database's preparation.
    """
    if isinstance(error, PartNotRunningError):
        return _PART.get(error.part, Section.PART_DOWN)
    cause = error.__cause__
    if isinstance(cause, psycopg.errors.DiskFull):
        return Section.DISK_FULL
    if is_refusal(error):
        return section_of(error, Section.POSTGRES_REFUSES)
    if isinstance(cause, psycopg.ProgrammingError) or is_turned_away(cause):
        return Section.NOT_PREPARED
    return next((section for kind, section in _AWAY.items() if isinstance(error, kind)), None)


def is_turned_away(cause: BaseException | None) -> bool:
    """Whether Postgres answered that it does not let this role in, or has no such database."""
    says = str(cause)
    return isinstance(cause, psycopg.OperationalError) and any(each in says for each in _REFUSALS)


def is_refusal(error: Exception) -> bool:
    """Whether the server answered, and said why it does not serve."""
    return isinstance(error, GateRefused | LedgerRefused)


def sentence(error: Exception) -> str:
    """The error in one line; with its kind where it is none of this project's own."""
    line = str(error).strip().partition("\n")[0]
    if not isinstance(error, CouponError | StackError):
        line = f"{type(error).__name__}: {line}"
    return shorten(line, LONGEST_SENTENCE, placeholder=" ...")
