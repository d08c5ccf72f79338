"""A Kafka for the tests of the group."""

from collections.abc import Iterator

import pytest

from cdc_consumer.kafka import topics
from coupons.change_events import ensure_topics
from coupons.kafka.client import KafkaClient
from tests.support.servers import KafkaServer


@pytest.fixture(scope="package")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """The embedded stack's Kafka, with the consumer's topics."""
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    server.start()
    ensure_topics(KafkaClient(server.bootstrap_servers), topics())
    yield server
    server.stop()
