"""How records are written to Kafka: the connector's producer settings, for our own producers."""

import logging
from collections.abc import Callable
from typing import Any

from coupons.kafka import KafkaClient

LARGEST_DEAD_LETTER_BYTES = 2 * 1024 * 1024
"""Above what a topic takes by default (1 MiB), so that a record still fits with its headers."""

_CRITICAL = 2


def producer_config(
    kafka: KafkaClient, error_cb: Callable[..., None] = lambda _: None
) -> dict[str, Any]:
    """For confluent_kafka.Producer. error_cb: is told of what is not about one record.

    Of the client's own lines only critical ones: it logs each failed connection, many a second.
    """
    return {
        **kafka.config(),
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
        "error_cb": error_cb,
        "logger": logging.getLogger("kafka.producer"),
        "log_level": _CRITICAL,
    }
