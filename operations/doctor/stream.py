"""Checks of what is behind the connector: topics, consumer, schemas, heartbeat."""

import time
from collections.abc import Callable, Iterator, Sequence

from connectors.schemas import check_schemas, lost_schemas
from coupons.change_events import (
    DEAD_LETTER_TOPIC,
    HEARTBEAT_PARTITIONS,
    HEARTBEAT_TOPIC,
    REQUEST_PARTITIONS,
    REQUEST_TOPIC,
)
from coupons.gate import connect_gate
from coupons.heartbeat import read_heartbeat
from coupons.kafka_admin import GroupState, KafkaAdmin, UnreadPartition
from operations.doctor.findings import Finding, Section, failing, ok, warning
from operations.doctor.system import System

MUCH_LAG = 10_000
OLD_RECORD_SECONDS = 45.0
"""Longer than the partitions of a consumer that died wait for its session to end (30 s)."""
LOOK_AGAIN_SECONDS = 4.0
"""Longer than a batch takes; with the time of both looks within the doctor's deadline."""
OLD_BEAT_SECONDS = 15.0
"""The connector beats every second; a rebalance of the consumers takes some."""

_TOPICS = {
    REQUEST_TOPIC: REQUEST_PARTITIONS,
    HEARTBEAT_TOPIC: HEARTBEAT_PARTITIONS,
    DEAD_LETTER_TOPIC: 1,
}


def check_kafka(places: System) -> Iterator[Finding]:
    """Raises KafkaUnavailable."""
    kafka = KafkaAdmin(places.kafka)
    found = kafka.partitions()
    yield ok("kafka", "it answers")
    wrong = [
        f"{name} has {found.get(name, 0)} partitions instead of {size}"
        for name, size in _TOPICS.items()
        if found.get(name) != size
    ]
    if wrong:
        yield failing("topics", "; ".join(wrong), "coupon connector register", Section.TOPICS)
    else:
        yield ok("topics", f"all {len(_TOPICS)} are there, of the right size")
    consuming = kafka.consuming(places.consumer_group)
    yield consumer_finding(consuming)
    # Without members, and with so much lag, that is the cause and told already.
    if consuming.members and consuming.lag <= MUCH_LAG:
        yield from check_unread(lambda: kafka.unread(places.consumer_group, OLD_RECORD_SECONDS))


def check_unread(look: Callable[[], list[UnreadPartition]]) -> Iterator[Finding]:
    """Looks once, and again a little later if there is something old that is not handled."""
    before = look()
    if not before:
        return
    time.sleep(LOOK_AGAIN_SECONDS)
    yield from unread_findings(before, look())


def unread_findings(
    before: Sequence[UnreadPartition], after: Sequence[UnreadPartition]
) -> Iterator[Finding]:
    """What two looks at old records mean: that nobody reads a partition, or that it takes long."""
    places = {(each.topic, each.partition): each.offset for each in before}
    still = [each for each in after if places.get((each.topic, each.partition)) == each.offset]
    old = f"has records older than {OLD_RECORD_SECONDS:.0f} s that are not handled"
    if still:
        more = f", and {len(still) - 1} more" if len(still) > 1 else ""
        says = f"{still[0]}{more}, {old}, and does not move: {_records(still)} wait"
        yield failing("unread", says, "coupon logs consumer-1", Section.NOT_READ)
    elif after:
        says = f"{after[0]} {old}, and moves: {_records(after)} wait"
        yield warning("unread", says, "coupon logs consumer-1", Section.LAG)


def _records(unread: Sequence[UnreadPartition]) -> str:
    return f"{sum(each.records for each in unread):,} change events"


def consumer_finding(consuming: GroupState) -> Finding:
    """What the group's state means."""
    lag = f"{consuming.lag} change events are not handled yet"
    if not consuming.members:
        says = f"no consumer is in the group; {lag}"
        return failing("consumer", says, "coupon up", Section.CONSUMER_AWAY)
    if consuming.state != "STABLE":
        says = f"the group is {consuming.state} with {consuming.members} members; {lag}"
        return warning("consumer", says, "coupon logs consumer-1", Section.CONSUMER_AWAY)
    if consuming.lag > MUCH_LAG:
        return warning("consumer", lag, "coupon logs consumer-1", Section.LAG)
    return ok("consumer", f"{consuming.members} in the group; {lag}")


def check_registry(places: System) -> Iterator[Finding]:
    """Raises SchemaRegistryUnavailable or KafkaUnavailable."""
    faults = {topic: fault for topic, fault in check_schemas(places.registry_url).items() if fault}
    if lost := lost_schemas(places.registry_url, KafkaAdmin(places.kafka).ends()):
        says = (
            f"the registry lost the schemas of {', '.join(lost)}: a consumer that restarts cannot"
            " read what is there, and waits"
        )
        yield failing("schemas", says, "coupon connector recover", Section.SCHEMA)
        return
    yield from (
        failing(
            "schemas",
            f"the consumer cannot read {topic}: {fault}",
            "coupon connector schemas",
            Section.SCHEMA,
        )
        for topic, fault in faults.items()
    )
    if not faults:
        yield ok("schemas", "the consumer can read what the connector writes")


def check_heartbeat(places: System) -> Iterator[Finding]:
    """Raises GateUnavailable."""
    heartbeat_us = read_heartbeat(connect_gate(places.redis_url).client)
    if heartbeat_us is None:
        says = "none has come through the pipeline since Redis was emptied"
        yield failing("heartbeat", says, "coupon connector status", Section.STALE)
        return
    age = time.time() - heartbeat_us / 1_000_000
    says = f"the newest that came through the whole pipeline is {age:.1f} s old"
    if age > OLD_BEAT_SECONDS:
        yield failing("heartbeat", says, "coupon connector status", Section.STALE)
    else:
        yield ok("heartbeat", says)
