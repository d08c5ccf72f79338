"""How records are written to Kafka: the connector's producer settings, for our own producers."""

from collections.abc import Mapping
from typing import Any

LARGEST_DEAD_LETTER_BYTES = 2 * 1024 * 1024
"""Above what a topic takes by default (1 MiB), so that a record still fits with its headers."""

PRODUCER_SETTINGS: Mapping[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "retries": 2_147_483_647,
    "max.in.flight.requests.per.connection": 5,
    "delivery.timeout.ms": 120_000,
    "request.timeout.ms": 30_000,
    "retry.backoff.ms": 100,
    "batch.size": 16_384,
    "linger.ms": 5,
    "compression.type": "snappy",
    "message.max.bytes": LARGEST_DEAD_LETTER_BYTES,
    "reconnect.backoff.max.ms": 1_000,
    "error_cb": lambda _: None,
}
"""For KafkaClient.producer. error_cb gets errors that are not about one record: ignored here."""
