"""How far the change stream is: slot, connector, consumer group, newest heartbeat."""

from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from coupons.change_events.topics import CONSUMER_GROUP, REQUEST_TOPIC
from coupons.errors import KafkaUnavailable
from coupons.freshness import read_beat
from coupons.gate import Gate
from coupons.ledger.connection import Connection
from coupons.ledger.stream import SLOT, Slot, look_at_slot
from ops.flow import look_at_flow

ANSWER_SECONDS = 5.0


class StreamState(NamedTuple):
    """As it was just now.

    beat_us: when the newest heartbeat that came through was written, by the clock of slot.now_us.
    records_behind: events in Kafka that the consumers have not committed; None: Kafka is away, and
    kafka_trouble says why. connector: in words.
    """

    slot: Slot
    connector: str
    connector_runs: bool
    beat_us: int | None
    records_behind: int | None
    kafka_trouble: str | None

    def has_passed(self, moment_us: int) -> bool:
        """Whether everything that was committed before this moment has been consumed.

        A heartbeat is a row as any other: when a younger one came through, Debezium has read past
        the older rows, and when the group is not behind, their events have been handled.
        """
        return self.beat_us is not None and self.beat_us > moment_us and self.records_behind == 0

    @property
    def unknown(self) -> list[str]:
        """What could not be looked at, or stands still, so that nothing can be said of it."""
        told = [f"Kafka cannot be asked: {self.kafka_trouble}"] if self.kafka_trouble else []
        if not self.connector_runs:
            told.append(f"the connector does not run: {self.connector}")
        return told

    @property
    def faults(self) -> list[str]:
        """What loses events."""
        if self.slot.wal_status in (None, "lost"):
            is_gone = "is gone" if self.slot.wal_status is None else "is lost"
            return [f"the replication slot {SLOT} {is_gone}: new requests are not streamed"]
        return []


def look_at_stream(
    where: Mapping[str, str], gate: Gate, connection: Connection, group: str = CONSUMER_GROUP
) -> StreamState:
    """Ask them all; where: addresses, COUPON_*. Raises GateUnavailable or LedgerUnavailable."""
    behind, trouble = None, None
    flow = look_at_flow(where)
    # The heartbeat before the group: what it vouches for is in Kafka when the group is asked.
    beat_us = read_beat(gate.client)
    try:
        behind = records_behind(where["COUPON_KAFKA_BOOTSTRAP_SERVERS"], group)
    except KafkaUnavailable as error:
        trouble = str(error)
    slot = look_at_slot(connection)
    return StreamState(slot, flow.connector, flow.connector_runs, beat_us, behind, trouble)


def records_behind(bootstrap_servers: str, group: str) -> int:
    """Events of issue requests that the group has not committed. Raises KafkaUnavailable."""
    reader = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group, "log_level": 2})
    try:
        topic = reader.list_topics(REQUEST_TOPIC, timeout=ANSWER_SECONDS).topics[REQUEST_TOPIC]
        asked = [TopicPartition(REQUEST_TOPIC, each) for each in topic.partitions]
        behind = 0
        for place in reader.committed(asked, timeout=ANSWER_SECONDS) if asked else []:
            low, high = reader.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
            behind += high - max(place.offset, low)
        return behind
    except KafkaException as error:
        raise KafkaUnavailable(
            f"Kafka at {bootstrap_servers} says {error.args[0].str()}"
        ) from error
    finally:
        reader.close()
