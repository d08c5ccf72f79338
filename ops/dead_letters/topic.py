"""Reads the dead-letter topic from its beginning to where it ends now."""

import logging
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from coupons.change_events import DEAD_LETTER_TOPIC
from coupons.change_events.dead_letters import Facts, Header, own_headers, read_facts
from coupons.errors import KafkaUnavailable, UndecodableEvent
from coupons.kafka import KafkaClient

ANSWER_SECONDS = 5.0
SILENT_SECONDS = 15.0
"""How long Kafka may send nothing while the end is not reached."""

_RECORDS_PER_READ = 500
_BEGINNING = 0
UNKNOWN = "NotByConvention"
"""In place of an error's class, of a record that somebody else wrote to the topic."""


class Letter(NamedTuple):
    """A dead letter. partition, offset: in the dead-letter topic. headers: the record's own.

    set_aside_ms: when it was written there, milliseconds since 1970.
    """

    partition: int
    offset: int
    set_aside_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[Header]
    facts: Facts

    @property
    def place(self) -> str:
        """PARTITION:OFFSET in the dead-letter topic, which names it for operators."""
        return f"{self.partition}:{self.offset}"


def read_letters(kafka: KafkaClient) -> list[Letter]:
    """Every letter once, in order; none when the topic is missing. Raises KafkaUnavailable.

    A consumer that was cut off between its letters and its offsets has set the same records aside
    again: of those the first letter counts.
    """
    reader = Consumer(
        {
            **kafka.config(),
            "group.id": "coupon-dead-letters",
            "enable.auto.commit": False,
            "logger": logging.getLogger("kafka.consumer"),
            "log_level": 2,
        }
    )
    try:
        first_of: dict[tuple[object, ...], Letter] = {}
        for message in _messages(reader):
            letter = _letter(message)
            facts = letter.facts
            known = (*facts[:4], letter.place if facts.error_class == UNKNOWN else "")
            first_of.setdefault(known, letter)
        return list(first_of.values())
    except KafkaException as error:
        raise KafkaUnavailable(
            f"the dead letters cannot be read: Kafka at {kafka.bootstrap_servers} says"
            f" {error.args[0].str()}; see `coupon status`"
        ) from error
    finally:
        reader.close()


def _messages(reader: Consumer) -> "Iterator[Message[bytes, bytes]]":
    topic = reader.list_topics(timeout=ANSWER_SECONDS).topics.get(DEAD_LETTER_TOPIC)
    ends = {}
    for partition in topic.partitions if topic else ():
        place = TopicPartition(DEAD_LETTER_TOPIC, partition)
        low, high = reader.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
        if high > low:
            ends[partition] = high
    reader.assign([TopicPartition(DEAD_LETTER_TOPIC, each, _BEGINNING) for each in ends])
    until = time.monotonic() + SILENT_SECONDS
    while ends:
        for message in reader.consume(_RECORDS_PER_READ, 0.2):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            until = time.monotonic() + SILENT_SECONDS
            partition, offset = message.partition(), message.offset()
            if partition in ends and offset is not None:
                if offset < ends[partition]:
                    yield message
                if offset >= ends[partition] - 1:
                    del ends[partition]
        if time.monotonic() > until:
            raise KafkaUnavailable(
                f"Kafka sent nothing of {DEAD_LETTER_TOPIC} for {SILENT_SECONDS:.0f} s;"
                " see `coupon status`"
            )


def _letter(message: "Message[bytes, bytes]") -> Letter:
    headers: Any = message.headers()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    timestamp_ms = message.timestamp()[1]
    try:
        facts = read_facts(headers)
    except UndecodableEvent as error:
        facts = Facts("", -1, -1, timestamp_ms, UNKNOWN, str(error), 0, "")
    return Letter(
        partition, offset, timestamp_ms, message.key(), message.value(), own_headers(headers), facts
    )
