"""Reads the events for other services, as one of those services would."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from coupons.change_events import LogReader, SchemaRegistry
from coupons.change_events.coupon_events import CouponEvent, decode_coupon_event
from coupons.change_events.topics import EVENTS_TOPIC
from coupons.errors import KafkaUnavailable, NotThere
from coupons.kafka.client import KafkaClient
from coupons.moments import parse_rfc3339

_ANSWER_SECONDS = 5.0
_POLL_SECONDS = 0.5
_GROUP = "coupon-events-read"
_OLDEST, _NEWEST = -2, -1
"""Offsets, as librdkafka writes them."""


class HeldEvents(NamedTuple):
    """in_topic: how many events the topic holds. newest: of these, in the order of each user."""

    in_topic: int
    newest: Sequence[CouponEvent]


def newest_events(kafka: KafkaClient, registry: SchemaRegistry, count: int) -> HeldEvents:
    """The newest events that the topic holds now, at most so many.

    So many of each partition are in memory meanwhile. Raises as follow_events.
    """
    by_partition: dict[int | None, list[CouponEvent]] = defaultdict(list)
    with LogReader(kafka, EVENTS_TOPIC, _GROUP) as reader:
        if not reader.kept:
            raise _no_topic()
        in_topic = sum(kept.end - kept.begin for kept in reader.kept.values())
        reader.only_newest(count)
        for batch in reader.read():
            for message in batch:
                event = decode_coupon_event(registry, message.value())
                by_partition[message.partition()].append(event)
    # Each partition stays in its own order, whatever the clocks said.
    newest = merge(*by_partition.values(), key=lambda event: parse_rfc3339(event.at))
    return HeldEvents(in_topic, list(newest)[-count:])


def follow_events(
    kafka: KafkaClient, registry: SchemaRegistry, from_beginning: bool
) -> Iterator[CouponEvent | None]:
    """Events in the order of each user, without an end; None each time that none came for a while.

    It joins no group and stores no offsets. Events that retention removes before they were read are
    passed over. Raises NotThere when there is no such topic,
    KafkaUnavailable, SchemaRegistryUnavailable or UndecodableEvent.
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
                yield decode_coupon_event(registry, message.value())
    except KafkaException as error:
        raise KafkaUnavailable(
            f"{EVENTS_TOPIC} cannot be read: Kafka at {kafka.bootstrap_servers} says"
            f" {error.args[0].str()}; see `coupon status`"
        ) from error
    finally:
        consumer.close()


def _no_topic() -> NotThere:
    return NotThere(f"there is no topic {EVENTS_TOPIC}: `coupon events start` turns the events on")
