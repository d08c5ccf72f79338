"""Checks of Kafka: the topics, their settings, and the progress of the consumers."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from connectors.topic_settings import TopicSettings, WrongSetting
from coupons.change_events import (
    DEAD_LETTER_TOPIC,
    HEARTBEAT_PARTITIONS,
    HEARTBEAT_TOPIC,
    REQUEST_PARTITIONS,
    REQUEST_TOPIC,
)
from coupons.change_events.kafka_admin import STABLE, GroupState, KafkaAdmin, UnreadPartition
from operations.doctor.commands import read_log, start
from operations.doctor.findings import Finding, Section, failing, ok, warning
from operations.doctor.system import System

MUCH_LAG = 10_000
OLD_RECORD_SECONDS = 45.0
"""The partitions of a consumer that died wait for the end of its session (30 s); this is longer."""
UNREAD_PAUSE_SECONDS = 4.0
"""Between the two reads of old records: longer than a batch, shorter than the deadline."""
STANDS_STILL_SECONDS = 5.0
"""Heartbeats come every second, and each batch is committed: a group that works moves on."""
_PAUSE_SECONDS = 0.5
_LOG = read_log("consumer-1", "each consumer")
_TOPICS = {
    REQUEST_TOPIC: REQUEST_PARTITIONS,
    HEARTBEAT_TOPIC: HEARTBEAT_PARTITIONS,
    DEAD_LETTER_TOPIC: 1,
}


def check_kafka(system: System) -> Iterator[Finding]:
    """Raises KafkaUnavailable."""
    system.kafka.check_not_refused()
    found = KafkaAdmin(system.kafka, system.consumer_group).partitions()
    yield ok("kafka", "it answers")
    wrong = [
        f"{name} has {found.get(name, 0)} partitions instead of {size}"
        for name, size in _TOPICS.items()
        if found.get(name) != size
    ]
    if wrong:
        yield failing("topics", "; ".join(wrong), "coupon connector register", Section.TOPICS)
    else:
        yield ok("topics", f"all {len(_TOPICS)} exist, with the right number of partitions")


def check_consuming(system: System) -> Iterator[Finding]:
    """The consumer group, and whether it leaves old records behind. Raises KafkaUnavailable."""
    kafka = KafkaAdmin(system.kafka, system.consumer_group)
    consuming = kafka.consuming()
    yield consumer_finding(consuming)
    # Without members, or with so much lag, the finding above names the cause already.
    if consuming.members and consuming.lag <= MUCH_LAG:
        yield from check_unread(lambda: kafka.unread(OLD_RECORD_SECONDS))


def check_topic_settings(system: System) -> Iterator[Finding]:
    """Raises KafkaUnavailable."""
    yield settings_finding(TopicSettings(system.kafka).wrong())
    trimmed = KafkaAdmin(system.kafka, system.consumer_group).trimmed_unread()
    if trimmed:
        says = (
            f"retention removed {sum(trimmed.values()):,} change events that the consumers had not"
            " handled: their requests have to be republished"
        )
        yield failing("trimmed", says, "coupon connector recover --emit", Section.TOPICS)
    else:
        yield ok("trimmed", "retention removed nothing that was not handled")


def settings_finding(wrong: Sequence[WrongSetting]) -> Finding:
    """The finding for wrong settings."""
    if not wrong:
        return ok("topic settings", "clean-up policy and retention are right")
    says = "; ".join(map(str, wrong))
    return failing("topic settings", says, "coupon topics --mend", Section.TOPICS)


def consumer_finding(consuming: GroupState) -> Finding:
    """The finding for the group's state."""
    lag = f"{consuming.lag} change events are not handled yet"
    if not consuming.members:
        says = f"no consumer is in the group; {lag}"
        return failing("consumer", says, start("a consumer"), Section.CONSUMER_DOWN)
    if consuming.state != STABLE:
        says = f"the group is {consuming.state} with {consuming.members} members; {lag}"
        return warning("consumer", says, _LOG, Section.CONSUMER_DOWN)
    if consuming.lag > MUCH_LAG:
        return warning("consumer", lag, _LOG, Section.LAG)
    return ok("consumer", f"{consuming.members} in the group; {lag}")


def check_unread(read: Callable[[], list[UnreadPartition]]) -> Iterator[Finding]:
    """Read once; read again a little later if old records are not handled."""
    before = read()
    if not before:
        return
    time.sleep(UNREAD_PAUSE_SECONDS)
    yield from unread_findings(before, read())


def unread_findings(
    before: Sequence[UnreadPartition], after: Sequence[UnreadPartition]
) -> Iterator[Finding]:
    """The findings for old records: a partition is not read, or it is slow."""
    offsets = {(each.topic, each.partition): each.offset for each in before}
    still = [each for each in after if offsets.get((each.topic, each.partition)) == each.offset]
    old = f"has records older than {OLD_RECORD_SECONDS:.0f} s that are not handled"
    if still:
        more = f", and {len(still) - 1} more" if len(still) > 1 else ""
        says = f"{still[0]}{more}, {old}, and does not move on: {_records(still)} wait"
        yield failing("unread", says, _LOG, Section.NOT_READ)
    elif after:
        says = f"{after[0]} {old}, and moves on: {_records(after)} wait"
        yield warning("unread", says, _LOG, Section.LAG)


def _records(unread: Sequence[UnreadPartition]) -> str:
    return f"{sum(each.records for each in unread):,} change events"


def check_progress(system: System) -> Iterator[Finding]:
    """Whether the group handles what waits for it. Raises KafkaUnavailable."""
    kafka = KafkaAdmin(system.kafka, system.consumer_group)
    began, first = time.monotonic(), kafka.committed()
    while (waiting := kafka.consuming().lag) > 0:
        if _moved(first, kafka.committed()):
            break
        seconds = time.monotonic() - began
        if seconds > STANDS_STILL_SECONDS:
            says = (
                f"the group handled nothing for {seconds:.0f} s, and {waiting} change events wait:"
                " its consumers were killed just now, hang, wait for a server, or have stopped at"
                " the dead-letter limit"
            )
            yield failing("progress", says, _LOG, Section.CONSUMER_DOWN)
            return
        time.sleep(_PAUSE_SECONDS)
    yield ok("progress", "the consumers make progress")


def _moved(before: Mapping[tuple[str, int], int], now: Mapping[tuple[str, int], int]) -> bool:
    return any(offset > before.get(partition, -1) for partition, offset in now.items())
