"""A lag of one record that does not move is found, by what Kafka says alone."""

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from coupons.change_events import REQUEST_PARTITIONS, REQUEST_TOPIC
from coupons.change_events.kafka_admin import KafkaAdmin, UnreadPartition
from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient
from coupons.waiting import eventually
from tests.support.servers import KafkaServer

PARTITION = 3


def patiently(ask: Callable[[], list[UnreadPartition]]) -> Callable[[], list[UnreadPartition]]:
    """A Kafka that has just started may be slow; that counts as "not yet"."""

    def asked() -> list[UnreadPartition]:
        try:
            return ask()
        except KafkaUnavailable as error:
            raise OSError(str(error)) from error

    return asked


def ends(reader: Consumer) -> list[TopicPartition]:
    return [
        TopicPartition(
            REQUEST_TOPIC,
            number,
            reader.get_watermark_offsets(TopicPartition(REQUEST_TOPIC, number), 20)[1],
        )
        for number in range(REQUEST_PARTITIONS)
    ]


def test_one_old_unhandled_record_is_found_and_a_young_one_is_not(
    kafka_server: KafkaServer, request: pytest.FixtureRequest
) -> None:
    """One old record that is not handled is found and a young one is not."""
    servers, group = kafka_server.bootstrap_servers, request.node.name
    kafka = KafkaAdmin(KafkaClient(servers), group)
    reader = Consumer({"bootstrap.servers": servers, "group.id": group, "log_level": 2})
    reader.commit(offsets=ends(reader), asynchronous=False)
    unread = patiently(lambda: kafka.unread(3.0))
    assert eventually(lambda: (unread(),))[0] == []

    producer = Producer({"bootstrap.servers": servers, "log_level": 2})
    producer.produce(REQUEST_TOPIC, b"record", partition=PARTITION)
    assert producer.flush(20) == 0
    at = ends(reader)[PARTITION].offset - 1
    young = patiently(lambda: kafka.unread(3_600.0))
    assert eventually(lambda: (young(),))[0] == []
    assert eventually(unread, 20) == [UnreadPartition(REQUEST_TOPIC, PARTITION, at, 1)]

    reader.commit(offsets=ends(reader), asynchronous=False)
    assert eventually(lambda: (unread(),))[0] == []
    reader.close()
