"""Finds the record of one request in Kafka, by time."""

from typing import NamedTuple

from confluent_kafka import Message

from coupons.change_events import REQUEST_TOPIC, ChangeEventDecoder, LogReader, SchemaRegistry
from coupons.errors import UndecodableEvent
from coupons.kafka.client import KafkaClient

CLOCKS_APART_MS = 5_000
"""How far the clocks of Redis, Postgres and Kafka Connect may differ."""
MOST_RECORDS = 300_000
"""More are not read: some seconds of work, and more than a rush writes until one is captured."""


class RecordSearch(NamedTuple):
    """What a search found. partition, offset, written_ms: of the record; None: it was not found.

    read: how many records were read. complete: whether these were all of the time in question.
    trimmed: whether retention may have removed records of that time.
    """

    read: int
    complete: bool
    trimmed: bool
    partition: int | None = None
    offset: int | None = None
    written_ms: int | None = None


def find_record(
    kafka: KafkaClient,
    registry_url: str,
    key: tuple[int, int],
    admitted_ms: int,
    final_ms: int | None,
) -> RecordSearch:
    """The first record of the request: written after its admission, and before it was final.

    key: coupon and user. Times are milliseconds since 1970; final_ms: None: up to the end.
    Raises KafkaUnavailable or SchemaRegistryUnavailable.
    """
    until_ms = None if final_ms is None else final_ms + CLOCKS_APART_MS
    decoder = ChangeEventDecoder(SchemaRegistry(registry_url))
    with LogReader(kafka, REQUEST_TOPIC, "coupon-trace") as log:
        oldest = {number: kept.begin for number, kept in log.kept.items()}
        log.only_between(admitted_ms - CLOCKS_APART_MS, until_ms)
        trimmed = any(0 < kept.begin == oldest[number] for number, kept in log.kept.items())
        read = 0
        for messages in log.read():
            found = next((each for each in messages if _is_of(decoder, each, key)), None)
            read += len(messages)
            if found is not None:
                position = found.partition(), found.offset(), found.timestamp()[1]
                return RecordSearch(read, True, trimmed, *position)
            if read >= MOST_RECORDS:
                return RecordSearch(read, False, trimmed)
    return RecordSearch(read, True, trimmed)


def _is_of(
    decoder: ChangeEventDecoder, message: "Message[bytes, bytes]", key: tuple[int, int]
) -> bool:
    try:
        return decoder.issue_request(message.value())[:2] == key
    except UndecodableEvent:
        return False
