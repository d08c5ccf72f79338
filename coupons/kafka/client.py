"""The factory of all Kafka clients."""

import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from coupons.errors import KafkaUnavailable

DEFAULT_PORT = 9092
_CRITICAL = 2
_CONNECT_SECONDS = 1.0


@dataclass(frozen=True)
class KafkaClient:
    """Where Kafka is, how the link is secured, and a factory for its clients.

    bootstrap_servers: host:port,host:port. security: settings of librdkafka, secrets among them.
    """

    bootstrap_servers: str
    security: Mapping[str, str] = field(default_factory=dict, repr=False)

    def config(self) -> dict[str, Any]:
        """What every client needs, for confluent_kafka. It holds secrets: never log it."""
        return {"bootstrap.servers": self.bootstrap_servers, **self.security}

    def consumer(self, settings: Mapping[str, Any]) -> Consumer:
        """A consumer. settings: by the names of librdkafka, as for the other clients."""
        return Consumer({**self._logged("consumer"), **settings})

    def producer(self, settings: Mapping[str, Any]) -> Producer:
        """A producer."""
        return Producer({**self._logged("producer"), **settings})

    def admin(self, settings: Mapping[str, Any] | None = None) -> AdminClient:
        """A client for topics, groups and offsets."""
        return AdminClient({**self._logged("admin"), **(settings or {})})

    def check_not_refused(self) -> None:
        """Raises KafkaUnavailable, at once, when every bootstrap server refuses a connection.

        The clients themselves connect again and again until the timeout of what they are asked.
        """
        if all(map(_refuses, self.bootstrap_servers.split(","))):
            raise KafkaUnavailable(
                f"Kafka does not answer at {self.bootstrap_servers}: connection refused"
            )

    def _logged(self, client: str) -> dict[str, Any]:
        """Of the client's own lines only critical ones: it logs each failed connection."""
        logger = logging.getLogger(f"kafka.{client}")
        return {**self.config(), "logger": logger, "log_level": _CRITICAL}


def _refuses(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    address = (host.strip("[]"), int(port)) if port.isdecimal() else (port, DEFAULT_PORT)
    try:
        socket.create_connection(address, _CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False  # the client says what it is
    return False


_FINISHED = (KafkaError._FATAL, KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID)


def is_finished(error: KafkaError) -> bool:
    """Whether the client that reports it can never work again, so that its process has to end.

    A message carries a fatal error by its code alone: `fatal()` is False for it.
    """
    return bool(error.fatal()) or error.code() in _FINISHED


def raise_if_finished(error: KafkaError | None) -> None:
    """Raises KafkaException when the client that reports it can never work again."""
    if error is not None and is_finished(error):
        raise KafkaException(error)
