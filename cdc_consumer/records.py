"""Records from Kafka, and their offsets."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaException, Message, TopicPartition

Partition = tuple[str, int]
"""A topic and a partition's number."""


class Record(NamedTuple):
    """One record. timestamp_ms: the broker's, since 1970. headers: None without any."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Any


def to_record(message: "Message[bytes, bytes]") -> Record:
    """The record of a message. Raises KafkaException when the message is an error."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    error = message.error()
    if error is not None or topic is None or partition is None or offset is None:
        raise KafkaException(error)
    key, value = message.key(), message.value()
    return Record(topic, partition, offset, key, value, message.timestamp()[1], message.headers())


def partition_of(position: TopicPartition) -> Partition:
    """The partition without the offset."""
    return position.topic, position.partition


def first_offsets(records: Sequence[Record]) -> dict[Partition, int]:
    """For each partition the lowest offset: from there on all these records come again."""
    first: dict[Partition, int] = {}
    for record in records:
        partition = record.topic, record.partition
        first[partition] = min(record.offset, first.get(partition, record.offset))
    return first


def next_offsets(records: Sequence[Record]) -> dict[Partition, int]:
    """For each partition the offset after the last record: where reading goes on."""
    return {(record.topic, record.partition): record.offset + 1 for record in records}
