"""What the doctor found: a sentence, a command, and where the runbook says more."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"


class Section(StrEnum):
    """Headings of docs/runbook.md."""

    PART_DOWN = "A part is down"
    POSTGRES_DOWN = "Postgres is down"
    REDIS_DOWN = "Redis is down"
    KAFKA_DOWN = "Kafka is down"
    CONNECT_DOWN = "Connect is down"
    REGISTRY_DOWN = "The schema registry is down"
    NOT_PREPARED = "The database is not prepared"
    PUBLICATION = "The publication is wrong"
    SLOT_LOST = "The slot is missing or lost"
    SLOT_INACTIVE = "The slot is inactive"
    WAL_GROWS = "WAL grows"
    CONNECTOR_MISSING = "The connector is missing"
    CONNECTOR_HELD = "The connector is paused or stopped"
    CONNECTOR_FAILED = "The connector has failed"
    OFFSETS = "The connector's offsets are lost or do not match"
    STALE = "The heartbeat is old"
    TOPICS = "Topics are missing or of another size"
    CONSUMER_AWAY = "The consumer is away"
    LAG = "The lag grows"
    SCHEMA = "A schema cannot be read"
    GATE_CLOSED = "The gate is closed"
    NOT_FINAL = "Requests stay without a final status"
    RECONCILER_AWAY = "The reconciler is away"
    REDIS_REFUSES = "Redis refuses writes"
    REDIS_EVICTS = "Redis may evict keys"
    POSTGRES_REFUSES = "Postgres takes no writes"
    STANDBY_AWAY = "Commits wait for a standby"
    STREAM_WAITS = "The change stream waits for a standby"
    LOCKED = "Sessions wait for a lock"
    NO_CONNECTIONS = "Postgres has no free connection"
    FOREIGN_LOCK = "Somebody else holds the reconciler's lock"


class Finding(NamedTuple):
    """One sentence about one check. command, section: None where nothing is to be done."""

    check: str
    level: Level
    says: str
    command: str | None = None
    section: Section | None = None


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, command: str, section: Section) -> Finding:
    """Nothing is broken, and something will be."""
    return Finding(check, Level.WARNING, says, command, section)


def failing(check: str, says: str, command: str, section: Section) -> Finding:
    """A promise or the flow of requests is broken until somebody acts or waits."""
    return Finding(check, Level.FAILING, says, command, section)
