"""Writes change events that cannot be handled to the dead-letter topic, with the reason."""

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from cdc_consumer.records import Record
from coupons.change_events import DEAD_LETTER_TOPIC
from coupons.change_events.dead_letter_headers import (
    DeadLetterMetadata,
    Header,
    dead_letter_headers,
    replays_of,
)
from coupons.errors import KafkaUnavailable
from coupons.kafka.client import raise_if_finished
from coupons.model import IssueRequest

DELIVERY_SECONDS = 5.0
"""How long a batch waits for its dead letters; then it is given up and tried again."""


class FailedRecord(NamedTuple):
    """A record that cannot be handled, why, and the request in it if that can be read."""

    record: Record
    error: Exception
    request: IssueRequest | None = None


class DeadLetters:
    """Writes to the dead-letter topic."""

    def __init__(self, producer: Producer, consumer_version: str) -> None:
        self._producer = producer
        self._consumer_version = consumer_version

    def deliver(self, records: Sequence[FailedRecord], attempts: int) -> None:
        """Write them; return when the brokers have acknowledged all of them.

        attempts: how many batches the records were tried in. Raises KafkaUnavailable (some may be
        written), or KafkaException when the producer can never work again.
        """
        if not records:
            return
        errors: list[str] = []

        def delivered(failure: KafkaError | None, _: object) -> None:
            raise_if_finished(failure)
            if failure is not None:
                errors.append(failure.str())

        try:
            for failed in records:
                self._producer.produce(
                    DEAD_LETTER_TOPIC,
                    key=failed.record.key,
                    value=failed.record.value,
                    headers=self._headers(failed, attempts),
                    on_delivery=delivered,
                )
        except KafkaException as failure:
            raise_if_finished(failure.args[0])
            errors.append(str(failure))
        except BufferError as failure:
            errors.append(str(failure))
        undelivered = self._producer.flush(DELIVERY_SECONDS)
        if undelivered:
            self._producer.purge()
            errors.append(f"{undelivered} not acknowledged within {DELIVERY_SECONDS} s")
        if errors:
            raise KafkaUnavailable(f"dead letters were not delivered: {errors[0]}")

    def _headers(self, failed: FailedRecord, attempts: int) -> list[Header]:
        record, error, request = failed
        replays, replayed_from = replays_of(record.headers)
        metadata = DeadLetterMetadata(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp_ms,
            type(error).__name__,
            str(error),
            attempts,
            self._consumer_version,
            replays,
            replayed_from,
            request and request.coupon_id,
            request and request.user_id,
        )
        return dead_letter_headers(metadata, record.headers)
