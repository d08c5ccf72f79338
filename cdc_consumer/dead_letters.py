"""Sets change events aside that cannot be handled, with their place and the reason."""

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from cdc_consumer.records import Record
from coupons.change_events import DEAD_LETTER_TOPIC
from coupons.errors import KafkaUnavailable

DELIVERY_SECONDS = 5.0
"""How long a batch waits for its dead letters; then it is abandoned and tried again."""

_LONGEST_ERROR_CHARACTERS = 1_000


class DeadLetter(NamedTuple):
    """A record as it came, and why it is set aside."""

    record: Record
    error: Exception


class DeadLetters:
    """Writes to the dead-letter topic."""

    def __init__(self, producer: Producer, consumer_version: str) -> None:
        self._producer = producer
        self._consumer_version = consumer_version

    def deliver(self, letters: Sequence[DeadLetter]) -> None:
        """Return when the brokers have all of them. Raises KafkaUnavailable; some may be there."""
        if not letters:
            return
        errors: list[str] = []

        def delivered(failure: KafkaError | None, _: object) -> None:
            if failure is not None:
                errors.append(failure.str())

        try:
            for record, error in letters:
                self._producer.produce(
                    DEAD_LETTER_TOPIC,
                    key=record.key,
                    value=record.value,
                    headers=self._headers(record, error),
                    on_delivery=delivered,
                )
        except (KafkaException, BufferError) as failure:
            errors.append(str(failure))
        undelivered = self._producer.flush(DELIVERY_SECONDS)
        if undelivered:
            self._producer.purge()
            errors.append(f"{undelivered} not acknowledged within {DELIVERY_SECONDS} s")
        if errors:
            raise KafkaUnavailable(f"dead letters were not delivered: {errors[0]}")

    def _headers(self, record: Record, error: Exception) -> list[tuple[str, str | bytes | None]]:
        place = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp_ms,
            "error-class": type(error).__name__,
            "error-message": str(error)[:_LONGEST_ERROR_CHARACTERS],
            "consumer-version": self._consumer_version,
        }
        added = [(f"dead-letter.{name}", str(value).encode()) for name, value in place.items()]
        return [*(record.headers or []), *added]
