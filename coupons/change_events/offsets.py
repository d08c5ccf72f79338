"""Reads offsets of topics and of a consumer group, again and again, with one long-lived client.

It is a consumer that joins no group and reads no record. An AdminClient that lives on while Kafka
is down can end its process: librdkafka aborts with `eonce->refcnt > 0` when a request that has
timed out is answered after all.
"""

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient

_TIMEOUT_SECONDS = 4.0


class OffsetReader:
    """For one thread. group: whose committed offsets are read. Methods raise KafkaUnavailable."""

    def __init__(self, kafka: KafkaClient, group: str) -> None:
        self._servers = kafka.bootstrap_servers
        self._client = kafka.consumer({"group.id": group, "enable.auto.commit": False})

    def spans(self, topic: str) -> dict[int, tuple[int, int]]:
        """Begin and end of each partition of a topic; empty when there is no such topic."""
        try:
            found = self._client.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics.get(topic)
            if found and found.error and found.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaException(found.error)
            numbers = sorted(found.partitions) if found else []
            return {number: self._span(topic, number) for number in numbers}
        except KafkaException as error:
            raise self._unavailable(error) from error

    def committed(self, topic: str, partitions: list[int]) -> dict[int, int]:
        """The committed offset of each partition; 0 where the group has committed none."""
        asked = [TopicPartition(topic, number) for number in partitions]
        try:
            answered = self._client.committed(asked, timeout=_TIMEOUT_SECONDS)
            for at in answered:
                if at.error:
                    raise KafkaException(at.error)
        except KafkaException as error:
            raise self._unavailable(error) from error
        return {at.partition: max(at.offset, 0) for at in answered}

    def _span(self, topic: str, number: int) -> tuple[int, int]:
        at = TopicPartition(topic, number)
        begin, end = self._client.get_watermark_offsets(at, timeout=_TIMEOUT_SECONDS)
        return begin, end

    def _unavailable(self, error: KafkaException) -> KafkaUnavailable:
        return KafkaUnavailable(f"Kafka does not answer at {self._servers}: {error.args[0].str()}")
