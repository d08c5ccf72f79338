"""The dead letters that the topic holds now."""

from typing import Any, NamedTuple

from confluent_kafka import Message

from coupons.change_events import DEAD_LETTER_TOPIC, LogReader
from coupons.change_events.dead_letter_headers import (
    DeadLetterMetadata,
    Header,
    own_headers,
    read_metadata,
)
from coupons.errors import UndecodableEvent
from coupons.kafka import KafkaClient

UNKNOWN = "NotByConvention"
"""In place of an error's class, of a record that somebody else wrote to the topic."""


class StoredDeadLetter(NamedTuple):
    """A dead letter. partition, offset: in the dead-letter topic. headers: the record's own.

    dead_lettered_ms: when it was written there, milliseconds since 1970.
    """

    partition: int
    offset: int
    dead_lettered_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[Header]
    facts: DeadLetterMetadata

    @property
    def place(self) -> str:
        """PARTITION:OFFSET in the dead-letter topic, which names it for operators."""
        return f"{self.partition}:{self.offset}"


def read_dead_letters(kafka: KafkaClient) -> list[StoredDeadLetter]:
    """Every letter once, in order; none when the topic is missing. Raises KafkaUnavailable.

    A consumer that was cut off between its letters and its offsets has set the same records aside
    again: of those the first letter counts.
    """
    first_of: dict[tuple[object, ...], StoredDeadLetter] = {}
    with LogReader(kafka, DEAD_LETTER_TOPIC, "coupon-dead-letters") as log:
        for messages in log.read():
            for letter in map(_letter, messages):
                facts = letter.facts
                known = (*facts[:4], letter.place if facts.error_class == UNKNOWN else "")
                first_of.setdefault(known, letter)
    return list(first_of.values())


def _letter(message: "Message[bytes, bytes]") -> StoredDeadLetter:
    headers: Any = message.headers()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    timestamp_ms = message.timestamp()[1]
    try:
        facts = read_metadata(headers)
    except UndecodableEvent as error:
        facts = DeadLetterMetadata("", -1, -1, timestamp_ms, UNKNOWN, str(error), 0, "")
    return StoredDeadLetter(
        partition, offset, timestamp_ms, message.key(), message.value(), own_headers(headers), facts
    )
