"""Reads the events for other services, as one of those services would."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from coupons.change_events import LogReader, SchemaRegistry
from coupons.change_events.coupon_events import CouponEvent, decode_coupon_event
from coupons.change_events.topics import EVENTS_TOPIC
from coupons.errors import KafkaUnavailable, NotThere, UndecodableEvent
from coupons.kafka.client import KafkaClient
from coupons.moments import parse_rfc3339

_ANSWER_SECONDS = 5.0
_POLL_SECONDS = 0.5
_GROUP = "coupon-events-read"
_OLDEST, _NEWEST = -2, -1
"""Offsets, as librdkafka writes them."""


class Unreadable(NamedTuple):
    """A record of the topic that is passed over. why: what is wrong with it."""

    partition: int
    offset: int
    why: str

    @property
    def position(self) -> str:
        """PARTITION:OFFSET."""
        return f"{self.partition}:{self.offset}"


class HeldEvents(NamedTuple):
    """in_topic: how many events the topic holds. newest: of these, in the order of each user.

    unreadable: the records among the newest that are no events, or whose schema is lost.
    """

    in_topic: int
    newest: Sequence[CouponEvent]
    unreadable: Sequence[Unreadable]


def newest_events(kafka: KafkaClient, registry: SchemaRegistry, count: int) -> HeldEvents:
    """The newest events that the topic holds now, at most so many.

    So many of each partition are in memory meanwhile. Raises as follow_events.
    """
    by_partition: dict[int | None, list[CouponEvent]] = defaultdict(list)
    unreadable = []
    with LogReader(kafka, EVENTS_TOPIC, _GROUP) as reader:
        if not reader.kept:
            raise _no_topic()
        in_topic = sum(kept.end - kept.begin for kept in reader.kept.values())
        reader.only_newest(count)
        for batch in reader.read():
            for message in batch:
                event = _decode(registry, message)
                if isinstance(event, Unreadable):
                    unreadable.append(event)
                else:
                    by_partition[message.partition()].append(event)
    # Each partition stays in its own order, whatever the clocks said.
    newest = merge(*by_partition.values(), key=lambda event: parse_rfc3339(event.at))
    return HeldEvents(in_topic, list(newest)[-count:], unreadable)


def follow_events(
    kafka: KafkaClient, registry: SchemaRegistry, from_beginning: bool
) -> Iterator[CouponEvent | Unreadable | None]:
    """Events in the order of each user, without an end; None each time that none came for a while.

    It joins no group and stores no offsets. Events that retention removes before they were read are
    passed over. Raises NotThere when there is no such topic, KafkaUnavailable or
    SchemaRegistryUnavailable.
    """
    consumer = kafka.consumer(
        {
            "group.id": _GROUP,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            # The client's default is the end, if retention removes what was to be read next.
            "auto.offset.reset": "earliest",
        }
    )
    try:
        topic = consumer.list_topics(timeout=_ANSWER_SECONDS).topics.get(EVENTS_TOPIC)
        if topic is None:
            raise _no_topic()
        start = _OLDEST if from_beginning else _NEWEST
        consumer.assign([TopicPartition(EVENTS_TOPIC, each, start) for each in topic.partitions])
        while True:
            message = consumer.poll(_POLL_SECONDS)
            error = None if message is None else message.error()
            if error is not None and error.code() != KafkaError._ALL_BROKERS_DOWN:
                raise KafkaException(error)
            if message is None or error is not None:
                yield None
            else:
                yield _decode(registry, message)
    except KafkaException as error:
        raise KafkaUnavailable(
            f"{EVENTS_TOPIC} cannot be read: Kafka at {kafka.bootstrap_servers} says"
            f" {error.args[0].str()}; see `coupon status`"
        ) from error
    finally:
        consumer.close()


def _decode(registry: SchemaRegistry, message: "Message[bytes, bytes]") -> CouponEvent | Unreadable:
    try:
        return decode_coupon_event(registry, message.value())
    except UndecodableEvent as error:
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        return Unreadable(partition, offset, str(error))


def _no_topic() -> NotThere:
    return NotThere(f"there is no topic {EVENTS_TOPIC}: `coupon events start` turns the events on")
