"""Writes requests to the request topic in the connector's format, for our consumer to read."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import requests
from confluent_kafka import Producer
from fastavro import schemaless_writer

from coupons.change_events import REQUEST_TOPIC, reader_schema
from coupons.model import from_microseconds

_TIMEOUT_SECONDS = 10


class RequestTopic:
    """Produces requests with the fields that the consumer reads, and no others."""

    def __init__(self, producer: Producer, registry_url: str) -> None:
        self._producer = producer
        self._schema = reader_schema(REQUEST_TOPIC)
        plain = {name: value for name, value in self._schema.items() if not name.startswith("__")}
        response = requests.post(
            f"{registry_url}/subjects/benchmark-strategies/versions",
            json={"schema": json.dumps(plain)},
            timeout=_TIMEOUT_SECONDS,
        )
        response.raise_for_status()
        self._head = b"\0" + int(response.json()["id"]).to_bytes(4, "big")

    def produce(
        self,
        coupon_id: int,
        user_id: int,
        requested_at_us: int,
        on_delivery: Callable[..., None] | None = None,
    ) -> None:
        """Hand a request to the producer. Raises BufferError or KafkaException when it refuses."""
        row = {
            "coupon_id": coupon_id,
            "user_id": user_id,
            "requested_at": from_microseconds(requested_at_us).isoformat(),
        }
        options: dict[str, Any] = {} if on_delivery is None else {"on_delivery": on_delivery}
        stream = BytesIO()
        schemaless_writer(stream, self._schema, row)
        self._producer.produce(
            REQUEST_TOPIC,
            key=str(user_id),
            value=self._head + stream.getvalue(),
            **options,
        )
