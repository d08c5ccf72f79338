"""Reads the dead letters that the topic holds now."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaException, Message, TopicPartition

from coupons.change_events import DEAD_LETTER_TOPIC, LogReader
from coupons.change_events.dead_letter_headers import (
    DeadLetterMetadata,
    Header,
    own_headers,
    read_metadata,
)
from coupons.errors import KafkaUnavailable, UndecodableEvent
from coupons.kafka.client import KafkaClient

UNKNOWN = "NotByConvention"
"""The error class of a record on the topic that does not follow the convention."""

_ANSWER_SECONDS = 5.0


class DeadLetter(NamedTuple):
    """A record that could not be handled, as the dead-letter topic holds it.

    partition, offset: its position in the dead-letter topic. dead_lettered_ms: when it was written
    there, in milliseconds since 1970. key, value, headers: the record's own.
    """

    partition: int
    offset: int
    dead_lettered_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[Header]
    metadata: DeadLetterMetadata

    @property
    def position(self) -> str:
        """PARTITION:OFFSET in the dead-letter topic; operators name a dead letter by it."""
        return f"{self.partition}:{self.offset}"

    @property
    def record(self) -> tuple[object, ...]:
        """Which record it is: the same for all dead letters of one that was written again."""
        position = self.position if self.metadata.error_class == UNKNOWN else ""
        return (*self.metadata[:4], position)


def read_dead_letters(kafka: KafkaClient, *, repeated: bool = False) -> list[DeadLetter]:
    """Every dead letter once, in order; none when the topic is missing. Raises KafkaUnavailable.

    A consumer that was cut off between writing dead letters and committing offsets has written the
    same records again. The first dead letter of a record counts. repeated: return the others, too.
    """
    letters: list[DeadLetter] = []
    seen: set[tuple[object, ...]] = set()
    with LogReader(kafka, DEAD_LETTER_TOPIC, "coupon-dead-letters") as log:
        for messages in log.read():
            for letter in map(_letter, messages):
                if repeated or letter.record not in seen:
                    letters.append(letter)
                    seen.add(letter.record)
    return letters


def delete_dead_letters(kafka: KafkaClient, last: Mapping[int, int]) -> None:
    """Delete every dead letter up to these offsets, by partition. Raises KafkaUnavailable."""
    if not last:
        return
    ends = [
        TopicPartition(DEAD_LETTER_TOPIC, partition, offset + 1)
        for partition, offset in last.items()
    ]
    admin = kafka.admin()  # a client that nobody has any more is ended, and answers nothing
    try:
        for done in admin.delete_records(ends, request_timeout=_ANSWER_SECONDS).values():
            done.result(_ANSWER_SECONDS)  # the client itself waits a minute for a leader
    except (KafkaException, TimeoutError) as error:
        says = error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
        raise KafkaUnavailable(
            f"Kafka at {kafka.bootstrap_servers} did not delete dead letters: {says}"
        ) from error


def _letter(message: "Message[bytes, bytes]") -> DeadLetter:
    headers: Any = message.headers()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    timestamp_ms = message.timestamp()[1]
    try:
        metadata = read_metadata(headers)
    except UndecodableEvent as error:
        metadata = DeadLetterMetadata("", -1, -1, timestamp_ms, UNKNOWN, str(error), 0, "")
    return DeadLetter(
        partition,
        offset,
        timestamp_ms,
        message.key(),
        message.value(),
        own_headers(headers),
        metadata,
    )
