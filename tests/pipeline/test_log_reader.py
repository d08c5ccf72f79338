"""A topic is read from what retention has left of it, and what it has taken is known."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from coupons.change_events import LogReader, Topic, ensure_topics
from coupons.change_events.log_reader import PartitionRange
from coupons.kafka.client import KafkaClient
from stack.disposable import DisposableStack

WITHIN_SECONDS = 30


class SomeTopic:
    """A topic of the test's own with two partitions."""

    def __init__(self, kafka: KafkaClient) -> None:
        self.kafka = kafka
        self.name = f"of-a-test-{uuid4()}"
        ensure_topics(kafka, [Topic(self.name, 2)])
        self.admin = AdminClient(kafka.config())

    def write(self, partition: int, *values: str) -> None:
        producer = Producer(self.kafka.config())
        for value in values:
            producer.produce(self.name, value.encode(), partition=partition)
        assert producer.flush(WITHIN_SECONDS) == 0

    def retain_from(self, partition: int, offset: int) -> None:
        """Remove what is before, as retention does."""
        [done] = self.admin.delete_records([TopicPartition(self.name, partition, offset)]).values()
        assert done.result(WITHIN_SECONDS).low_watermark == offset

    def reader(self) -> LogReader:
        return LogReader(self.kafka, self.name, "of-a-test")


def _values(reader: LogReader) -> list[str]:
    return [(message.value() or b"").decode() for some in reader.read() for message in some]


@pytest.fixture
def topic(stack: DisposableStack) -> Iterator[SomeTopic]:
    topic = SomeTopic(KafkaClient(stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]))
    yield topic
    topic.admin.delete_topics([topic.name])


def test_what_retention_has_left_is_read_and_what_it_took_is_known(topic: SomeTopic) -> None:
    topic.write(0, "a", "b", "c", "d")
    topic.write(1, "e", "f")
    topic.retain_from(0, 3)
    with topic.reader() as reader:
        assert sorted(_values(reader)) == ["d", "e", "f"]
        assert [reader.kept[0].begin, reader.kept[1].begin] == [3, 0]
        assert reader.kept[0].since_ms is not None


def test_what_retention_takes_while_it_is_read_is_not_taken_for_the_end(topic: SomeTopic) -> None:
    topic.write(0, "a", "b", "c", "d")
    with topic.reader() as reader:
        topic.retain_from(0, 2)
        assert _values(reader) == ["c", "d"]
        assert reader.kept[0].begin == 2


def test_a_topic_that_retention_has_emptied_says_so(topic: SomeTopic) -> None:
    topic.write(0, "a", "b")
    topic.retain_from(0, 2)
    with topic.reader() as reader:
        assert _values(reader) == []
        assert reader.kept == {0: PartitionRange(2, 2), 1: PartitionRange(0, 0)}


def test_a_topic_that_is_not_there_holds_nothing(topic: SomeTopic) -> None:
    with LogReader(topic.kafka, "not-there", "of-a-test") as reader:
        assert _values(reader) == []
        assert reader.kept == {}
