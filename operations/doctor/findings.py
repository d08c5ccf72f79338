"""A finding: a sentence, the command to type and the section of the runbook; and the verdict."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"
    UNKNOWN = "unknown"
    """It could not be checked: it may be right or wrong."""
    ELSEWHERE = "elsewhere"
    """It cannot be checked from here; the finding says how to check it there."""


class Section(StrEnum):
    """Headings of docs/how-to/runbook.md; a state that may explain others stands before them."""

    DISK_FULL = "The disk is full"
    POSTGRES_DOWN = "Postgres is down"
    STANDBY_DOWN = "Commits wait for a standby"
    LOCKED = "Sessions wait for a lock"
    NO_CONNECTIONS = "Postgres has no free connection"
    POSTGRES_REFUSES = "Postgres takes no writes"
    REDIS_DOWN = "Redis is down"
    REDIS_EVICTS = "Redis may evict keys"
    REDIS_REFUSES = "Redis refuses writes"
    KAFKA_DOWN = "Kafka is down"
    CONNECT_DOWN = "Connect is down"
    REGISTRY_DOWN = "The schema registry is down"
    PART_DOWN = "A part is down"
    LEDGER_RESTORED = "Postgres was restored from a backup"
    NOT_PREPARED = "The database is not prepared"
    PUBLICATION = "The publication is wrong"
    SLOT_LOST = "The slot is missing or lost"
    TOPICS = "Topics are missing or of another size"
    SCHEMA = "A schema cannot be read"
    CONNECTOR_MISSING = "The connector is missing"
    CONNECTOR_HELD = "The connector is paused or stopped"
    OFFSETS = "The connector's offsets are lost or do not match"
    CONNECTOR_FAILED = "The connector has failed"
    STREAM_WAITS = "The change stream waits for a standby"
    SLOT_INACTIVE = "The slot is inactive"
    WAL_GROWS = "WAL grows"
    EVENTS = "Events for other services fail"
    CONSUMER_STOPPED = "The consumer stopped at the dead-letter limit"
    CONSUMER_DOWN = "The consumer is down"
    NOT_READ = "A partition is not read"
    LAG = "The lag grows"
    STALE = "The heartbeat is old"
    FOREIGN_LOCK = "Somebody else holds the reconciler's lock"
    RECONCILER_DOWN = "The reconciler is down"
    REDIS_RESTORED = "Redis was restored from an old copy"
    POOL_SHORT = "A pool has too few codes"
    BROKEN_COUPON = "A coupon cannot be processed"
    GATE_UNAVAILABLE = "The gate is unavailable"
    LIST_WAITS = "A list waits for the reconciler"
    API_503 = "The API answers 503"
    DEAD_LETTERS = "Dead letters are open"
    NOT_FINAL = "Requests stay without a final status"
    MISMATCH = "Ledger and gate do not match"


class Finding(NamedTuple):
    """One sentence of one check. command, section: None where nothing has to be done.

    because: the section of the failing finding that explains this one; None: it has no other cause.
    """

    check: str
    level: Level
    says: str
    command: str | None = None
    section: Section | None = None
    because: Section | None = None


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, command: str, section: Section) -> Finding:
    """Nothing is broken yet, and something will be."""
    return Finding(check, Level.WARNING, says, command, section)


def failing(check: str, says: str, command: str, section: Section) -> Finding:
    """A guarantee or the stream of requests is broken until somebody acts or waits."""
    return Finding(check, Level.FAILING, says, command, section)


def unknown(check: str, says: str, command: str, section: Section) -> Finding:
    """It could not be checked. section: on what prevented that."""
    return Finding(check, Level.UNKNOWN, f"not checked: {says}", command, section)


def elsewhere(check: str, says: str) -> Finding:
    """It cannot be checked from here. says: where and how to check it."""
    return Finding(check, Level.ELSEWHERE, f"not checked: {says}")


def verdict(findings: Sequence[Finding]) -> str:
    """All findings in one sentence."""
    if any(each.level is Level.FAILING and each.because is None for each in findings):
        more = sum(each.because is not None for each in findings)
        follows = f" {more} more follow from it." if more else ""
        return f"Something is failing: begin with the first line.{follows}"
    if any(each.level is Level.UNKNOWN for each in findings):
        return "Nothing that was checked is failing, but not everything could be checked."
    if any(each.level is Level.WARNING for each in findings):
        return "Nothing is failing, but the warnings need attention."
    unchecked = sorted({each.check for each in findings if each.level is Level.ELSEWHERE})
    return (
        f"Healthy, except for what was not checked: {', '.join(unchecked)}."
        if unchecked
        else "Healthy."
    )


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Whether everything could be checked and nothing is failing."""
    return not {each.level for each in findings} & {Level.FAILING, Level.UNKNOWN}
