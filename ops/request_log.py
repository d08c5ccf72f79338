"""The requests that the change stream still holds: Kafka's log as a second copy of them."""

import logging
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from coupons.change_events import REQUEST_TOPIC, ChangeEventDecoder, SchemaRegistry
from coupons.errors import KafkaUnavailable, UndecodableEvent
from coupons.kafka import KafkaClient
from coupons.model import IssueRequest

PATIENCE_SECONDS = 30.0
"""How long nothing may come before Kafka is taken to be away."""

_BATCH = 1_000
_CRITICAL = 2


class Requests(NamedTuple):
    """Some of the log. undecodable: records in between that are no request."""

    requests: list[IssueRequest]
    undecodable: int


def read_requests(kafka: KafkaClient, registry_url: str) -> Iterator[Requests]:
    """Everything from the topic's beginning to its present end; no group is joined.

    Raises KafkaUnavailable or SchemaRegistryUnavailable.
    """
    decoder = ChangeEventDecoder(SchemaRegistry(registry_url))
    config: dict[str, Any] = {
        **kafka.config(),
        "group.id": "coupon-after-restore",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "logger": logging.getLogger("kafka.consumer"),
        "log_level": _CRITICAL,
    }
    consumer = Consumer(config)
    try:
        for values in _values(consumer):
            yield _decode(decoder, values)
    except KafkaException as error:
        raise KafkaUnavailable(
            f"{REQUEST_TOPIC} cannot be read at {kafka.bootstrap_servers}: {error.args[0].str()}"
        ) from error
    finally:
        consumer.close()


def _values(consumer: Consumer) -> Iterator[list[bytes | None]]:
    left = _ends(consumer)
    consumer.assign([TopicPartition(REQUEST_TOPIC, number, 0) for number in left])
    give_up = time.monotonic() + PATIENCE_SECONDS
    while left:
        values: list[bytes | None] = []
        for message in consumer.consume(_BATCH, 1.0):
            error, partition, offset = message.error(), message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            if error is None:
                values.append(message.value())
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            # The end of a partition is told with the offset after its last record.
            if offset + (error is None) >= left.get(partition, 0):
                left.pop(partition, None)
            give_up = time.monotonic() + PATIENCE_SECONDS
        if values:
            yield values
        elif time.monotonic() > give_up:
            raise KafkaUnavailable(f"{REQUEST_TOPIC} was not read to its end: Kafka sends no more")


def _ends(consumer: Consumer) -> dict[int, int]:
    """Of each partition that holds records, the offset after the last one."""
    topic = consumer.list_topics(REQUEST_TOPIC, timeout=PATIENCE_SECONDS).topics[REQUEST_TOPIC]
    if topic.error is not None:
        raise KafkaException(topic.error)
    ends = {}
    for number in topic.partitions:
        place = TopicPartition(REQUEST_TOPIC, number)
        low, high = consumer.get_watermark_offsets(place, timeout=PATIENCE_SECONDS)
        if high > low:
            ends[number] = high
    return ends


def _decode(decoder: ChangeEventDecoder, values: list[bytes | None]) -> Requests:
    requests, undecodable = [], 0
    for value in values:
        try:
            requests.append(decoder.issue_request(value))
        except UndecodableEvent:
            undecodable += 1
    return Requests(requests, undecodable)
