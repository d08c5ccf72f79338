"""Which state explains which: root causes come first, their consequences after them."""

from collections.abc import Iterable, Sequence
from functools import cache

from operations.doctor.findings import Finding, Level, Section

_STREAM_STOPS = frozenset(
    {
        Section.POSTGRES_DOWN,
        Section.POSTGRES_REFUSES,
        Section.STREAM_WAITS,
        Section.KAFKA_DOWN,
        Section.CONNECT_DOWN,
        Section.CONNECTOR_MISSING,
        Section.CONNECTOR_HELD,
        Section.CONNECTOR_FAILED,
        Section.SLOT_LOST,
        Section.OFFSETS,
        Section.PUBLICATION,
        Section.NOT_PREPARED,
    }
)
"""States in which rows of Postgres do not reach Kafka."""

CAUSES: dict[Section, frozenset[Section]] = {
    Section.POSTGRES_DOWN: frozenset({Section.DISK_FULL}),
    Section.REDIS_DOWN: frozenset({Section.DISK_FULL}),
    Section.NO_CONNECTIONS: frozenset({Section.STANDBY_DOWN, Section.LOCKED}),
    Section.POSTGRES_REFUSES: frozenset(
        {Section.POSTGRES_DOWN, Section.DISK_FULL, Section.NO_CONNECTIONS}
    ),
    Section.REDIS_REFUSES: frozenset({Section.REDIS_DOWN, Section.DISK_FULL, Section.REDIS_EVICTS}),
    Section.STREAM_WAITS: frozenset({Section.POSTGRES_DOWN, Section.STANDBY_DOWN}),
    Section.KAFKA_DOWN: frozenset({Section.DISK_FULL}),
    Section.PART_DOWN: frozenset({Section.POSTGRES_REFUSES, Section.REDIS_REFUSES}),
    Section.CONNECT_DOWN: frozenset({Section.KAFKA_DOWN}),
    Section.REGISTRY_DOWN: frozenset({Section.POSTGRES_REFUSES}),
    Section.LEDGER_RESTORED: frozenset({Section.POSTGRES_DOWN, Section.STANDBY_DOWN}),
    Section.NOT_PREPARED: frozenset({Section.POSTGRES_DOWN}),
    Section.PUBLICATION: frozenset({Section.NOT_PREPARED, Section.LEDGER_RESTORED}),
    Section.SLOT_LOST: frozenset({Section.NOT_PREPARED, Section.LEDGER_RESTORED}),
    Section.TOPICS: frozenset({Section.KAFKA_DOWN}),
    Section.SCHEMA: frozenset({Section.REGISTRY_DOWN}),
    Section.CONNECTOR_MISSING: frozenset({Section.CONNECT_DOWN}),
    Section.CONNECTOR_HELD: frozenset({Section.CONNECT_DOWN, Section.LEDGER_RESTORED}),
    Section.OFFSETS: frozenset(
        {
            Section.SLOT_LOST,
            Section.CONNECTOR_MISSING,
            Section.CONNECT_DOWN,
            Section.POSTGRES_DOWN,
            Section.LEDGER_RESTORED,
            Section.PUBLICATION,
        }
    ),
    Section.CONNECTOR_FAILED: frozenset(
        {
            Section.REGISTRY_DOWN,
            Section.CONNECT_DOWN,
            Section.OFFSETS,
            Section.PUBLICATION,
            Section.NOT_PREPARED,
        }
    ),
    Section.SLOT_INACTIVE: _STREAM_STOPS,
    Section.WAL_GROWS: frozenset({Section.SLOT_INACTIVE}),
    Section.EVENTS: frozenset(
        {
            Section.POSTGRES_DOWN,
            Section.CONNECT_DOWN,
            Section.REGISTRY_DOWN,
            Section.LEDGER_RESTORED,
            Section.NOT_PREPARED,
        }
    ),
    Section.CONSUMER_STOPPED: frozenset({Section.SCHEMA, Section.NOT_PREPARED, Section.TOPICS}),
    Section.CONSUMER_DOWN: frozenset(
        {Section.CONSUMER_STOPPED, Section.REDIS_REFUSES, Section.REGISTRY_DOWN, Section.KAFKA_DOWN}
    ),
    Section.NOT_READ: frozenset({Section.CONSUMER_DOWN, Section.CONSUMER_STOPPED}),
    Section.LAG: frozenset({Section.CONSUMER_DOWN, Section.NOT_READ}),
    Section.STALE: _STREAM_STOPS
    | {Section.SLOT_INACTIVE, Section.NOT_READ, Section.LAG, Section.REDIS_DOWN, Section.TOPICS},
    Section.RECONCILER_DOWN: frozenset(
        {Section.POSTGRES_REFUSES, Section.REDIS_REFUSES, Section.FOREIGN_LOCK}
    ),
    Section.REDIS_RESTORED: frozenset({Section.REDIS_DOWN}),
    Section.GATE_UNAVAILABLE: frozenset(
        {Section.RECONCILER_DOWN, Section.REDIS_RESTORED, Section.BROKEN_COUPON}
    ),
    Section.LIST_WAITS: frozenset({Section.RECONCILER_DOWN, Section.GATE_UNAVAILABLE}),
    Section.API_503: frozenset(
        {Section.GATE_UNAVAILABLE, Section.PART_DOWN, Section.STANDBY_DOWN, Section.LOCKED}
    ),
    Section.DEAD_LETTERS: frozenset({Section.KAFKA_DOWN, Section.SCHEMA}),
    Section.NOT_FINAL: frozenset({Section.STALE, Section.DEAD_LETTERS}),
    Section.MISMATCH: frozenset(
        {Section.GATE_UNAVAILABLE, Section.LEDGER_RESTORED, Section.NOT_FINAL}
    ),
}
"""Possible reasons of each state; the reasons of a reason count as well."""

_RANKS = {
    Level.FAILING: 0,
    Level.UNKNOWN: 1,
    Level.WARNING: 2,
    Level.ELSEWHERE: 4,
    Level.OK: 5,
}
_FOLLOWS = 3
_ORDER = {section: number for number, section in enumerate(Section)}


@cache
def reasons(section: Section) -> frozenset[Section]:
    """Every possible reason of this state, direct or not."""
    direct = CAUSES.get(section, frozenset())
    return direct.union(*map(reasons, direct))


def arrange(findings: Iterable[Finding]) -> list[Finding]:
    """Root causes first, the deepest before the others; then consequences; what is well last.

    Findings with one section have one cause: the first is the cause, the others follow from it.
    """
    found = list(findings)
    failing = {each.section for each in found if each.level is Level.FAILING and each.section}
    roots = sorted(
        (each for each in failing if not reasons(each) & failing), key=lambda each: _ORDER[each]
    )
    explained = _explained(sorted(found, key=_rank), roots)
    return sorted(explained, key=_rank)


def _explained(findings: Sequence[Finding], roots: Sequence[Section]) -> list[Finding]:
    named: set[Section] = set()
    explained = []
    for each in findings:
        section = each.section
        if section is not None and each.level not in (Level.OK, Level.ELSEWHERE):
            if section in roots and section not in named:
                named.add(section)
            else:
                possible = {section} | reasons(section)
                each = each._replace(because=next((r for r in roots if r in possible), None))
        explained.append(each)
    return explained


def _rank(finding: Finding) -> tuple[int, int]:
    rank = _RANKS[finding.level] if finding.because is None else _FOLLOWS
    return rank, -1 if finding.section is None else _ORDER[finding.section]
