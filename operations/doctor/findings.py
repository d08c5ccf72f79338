"""What the doctor found: a sentence, a command, and where the runbook says more."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"
    UNKNOWN = "unknown"
    """It could not be looked at: it may be in order, or not."""
    ELSEWHERE = "elsewhere"
    """It cannot be looked at from here; says how to look there."""


class Section(StrEnum):
    """Headings of docs/how-to/runbook.md; what may explain others stands before them."""

    DISK_FULL = "The disk is full"
    POSTGRES_DOWN = "Postgres is down"
    STANDBY_AWAY = "Commits wait for a standby"
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
    CONSUMER_STOPPED = "The consumer stopped at the dead-letter limit"
    CONSUMER_AWAY = "The consumer is down"
    NOT_READ = "A partition is not read"
    LAG = "The lag grows"
    STALE = "The heartbeat is old"
    FOREIGN_LOCK = "Somebody else holds the reconciler's lock"
    RECONCILER_AWAY = "The reconciler is down"
    REDIS_RESTORED = "Redis was restored from an old copy"
    BROKEN_COUPON = "A coupon cannot be processed"
    GATE_CLOSED = "The gate is unavailable"
    API_503 = "The API answers 503"
    DEAD_LETTERS = "Dead letters are open"
    NOT_FINAL = "Requests stay without a final status"
    BOOKS = "Ledger and gate do not match"


class Finding(NamedTuple):
    """One sentence about one check. command, section: None where nothing is to be done.

    because: the section of a failing finding that explains this one; None: it stands by itself.
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
    """Nothing is broken, and something will be."""
    return Finding(check, Level.WARNING, says, command, section)


def failing(check: str, says: str, command: str, section: Section) -> Finding:
    """A promise or the flow of requests is broken until somebody acts or waits."""
    return Finding(check, Level.FAILING, says, command, section)


def unknown(check: str, says: str, command: str, section: Section) -> Finding:
    """It could not be looked at. section: of what was in the way."""
    return Finding(check, Level.UNKNOWN, f"not looked at: {says}", command, section)


def elsewhere(check: str, says: str) -> Finding:
    """It cannot be looked at from here. says: where and how to look instead."""
    return Finding(check, Level.ELSEWHERE, f"not looked at: {says}")
