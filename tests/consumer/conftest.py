"""The schema registry of these tests, and a Kafka."""

from collections.abc import Iterator

import pytest

from cdc_consumer.kafka import topics
from coupons.change_events import ensure_topics
from coupons.kafka import KafkaClient
from tests.registry import registry_server
from tests.servers import KafkaServer

__all__ = ["registry_server"]


@pytest.fixture(scope="package")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """The embedded stack's Kafka, with the consumer's topics."""
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    server.start()
    ensure_topics(KafkaClient(server.bootstrap_servers), topics())
    yield server
    server.stop()
