"""Reads the request topic, the dead-letter topic, and the offsets that the consumers committed."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from cdc_consumer.settings import ConsumerSettings
from chaos.history import Key
from coupons.change_events import (
    DEAD_LETTER_TOPIC,
    REQUEST_PARTITIONS,
    REQUEST_TOPIC,
    ChangeEventDecoder,
    SchemaRegistry,
)
from coupons.errors import UndecodableEvent
from coupons.waiting import eventually

GROUP = str(ConsumerSettings.model_fields["consumer_group"].default)
KAFKA_SECONDS = 60.0
REGISTRY_SECONDS = 60.0
POLL_SECONDS = 0.1

Position = tuple[int, int]
"""(partition, offset) on the request topic."""

Offsets = Mapping[str, Sequence[int]]
"""By topic, the offset of each partition at which a run begins."""


@dataclass(frozen=True)
class Delivered:
    """A record of the request topic; key is None when the record cannot be decoded."""

    position: Position
    key: Key | None


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter: the position of its record on the request topic, and its bytes."""

    position: Position
    value: bytes | None


def end_offsets(servers: str) -> Offsets:
    """The present end offsets of both topics."""
    sizes = {REQUEST_TOPIC: REQUEST_PARTITIONS, DEAD_LETTER_TOPIC: 1}
    with _reader(servers) as reader:
        return {
            topic: [
                reader.get_watermark_offsets(TopicPartition(topic, partition), KAFKA_SECONDS)[1]
                for partition in range(size)
            ]
            for topic, size in sizes.items()
        }


def read_committed(servers: str) -> dict[int, int]:
    """By partition of the request topic, the offset that the consumer group committed."""
    partitions = [TopicPartition(REQUEST_TOPIC, number) for number in range(REQUEST_PARTITIONS)]
    with _reader(servers, GROUP) as group:
        found = group.committed(partitions, timeout=KAFKA_SECONDS)
    return {each.partition: max(0, each.offset) for each in found}


def read_topics(
    servers: str, registry_url: str, begin: Offsets
) -> tuple[list[Delivered], list[DeadLetter]]:
    """The records of both topics since `begin`."""
    decoder = ChangeEventDecoder(SchemaRegistry(registry_url))
    with _reader(servers) as reader:
        delivered = [
            Delivered(_position(message), _key(decoder, message.value()))
            for message in _records(reader, REQUEST_TOPIC, begin[REQUEST_TOPIC])
        ]
        messages = _records(reader, DEAD_LETTER_TOPIC, begin[DEAD_LETTER_TOPIC])
        return delivered, [_dead_letter(message) for message in messages]


@contextmanager
def _reader(servers: str, group: str = "evidence") -> Iterator[Consumer]:
    """A consumer that joins no group; it may read the committed offsets of `group`."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 2,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _records(
    reader: Consumer, topic: str, begin: Sequence[int]
) -> "Iterator[Message[bytes, bytes]]":
    """The records of a topic from these offsets to its present end."""
    left = {}
    for partition, offset in enumerate(begin):
        end = reader.get_watermark_offsets(TopicPartition(topic, partition), KAFKA_SECONDS)[1]
        if end > offset:
            left[partition] = end
    reader.assign([TopicPartition(topic, partition, begin[partition]) for partition in left])
    deadline = time.monotonic() + KAFKA_SECONDS
    while left:
        if time.monotonic() > deadline:
            raise OSError(f"not all records of {topic} could be read within {KAFKA_SECONDS} s")
        for message in reader.consume(1_000, POLL_SECONDS):
            if error := message.error():
                raise OSError(f"Kafka: {error.str()}")
            yield message
            partition, offset = _position(message)
            if offset + 1 >= left.get(partition, 0):
                left.pop(partition, None)
    reader.unassign()


def _position(message: "Message[bytes, bytes]") -> Position:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _key(decoder: ChangeEventDecoder, value: bytes | None) -> Key | None:
    """The key of a record's request. Waits for the registry, which may be slow after a fault."""

    def decoded() -> tuple[Key | None]:
        try:
            request = decoder.issue_request(value)
        except UndecodableEvent:
            return (None,)
        return ((request.coupon_id, request.user_id),)

    return eventually(decoded, REGISTRY_SECONDS)[0]


def _dead_letter(message: "Message[bytes, bytes]") -> DeadLetter:
    given: Any = message.headers() or []
    headers = {name: value.decode() for name, value in given}
    position = int(headers["dead-letter.partition"]), int(headers["dead-letter.offset"])
    return DeadLetter(position, message.value())
