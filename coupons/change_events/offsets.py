"""Reads the offsets of topics and of one consumer group.

The client is a consumer that joins no group and reads no record. librdkafka's admin client has
calls for the same questions, but they can end the process: `list_consumer_group_offsets` reads a
null pointer when the group's coordinator moves (confluentinc/librdkafka issue 5040), a request that
is answered after its timeout aborts with `eonce->refcnt > 0`, and after a failed request the client
may wait without end when it is destroyed.
"""

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient

_TIMEOUT_SECONDS = 4.0

Partition = tuple[str, int]
"""Topic and number."""

Span = tuple[int, int]
"""Begin and end: offsets of the first record and after the last one."""


class OffsetReader:
    """For one thread. group: whose committed offsets are read. Methods raise KafkaUnavailable."""

    def __init__(self, kafka: KafkaClient, group: str) -> None:
        self._servers = kafka.bootstrap_servers
        self._client = kafka.consumer({"group.id": group, "enable.auto.commit": False})

    def partitions(self) -> dict[str, int]:
        """How many partitions each topic has."""
        try:
            found = self._client.list_topics(timeout=_TIMEOUT_SECONDS).topics
        except KafkaException as error:
            raise unavailable(self._servers, error) from error
        return {name: len(topic.partitions) for name, topic in found.items()}

    def spans(self, topic: str) -> dict[Partition, Span]:
        """The span of each partition of a topic; empty when there is no such topic."""
        try:
            found = self._client.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics.get(topic)
            if found and found.error and found.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaException(found.error)
            numbers = sorted(found.partitions) if found else []
            return {(topic, number): self._span(topic, number) for number in numbers}
        except KafkaException as error:
            raise unavailable(self._servers, error) from error

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The committed offset of each partition; without those where the group committed none."""
        asked = [TopicPartition(*at) for at in partitions]
        try:
            return {
                (at.topic, at.partition): at.offset
                for at in _checked(self._client.committed(asked, timeout=_TIMEOUT_SECONDS))
                if at.offset >= 0
            }
        except KafkaException as error:
            raise unavailable(self._servers, error) from error

    def at_time(self, partitions: Iterable[Partition], moment_ms: int) -> dict[Partition, int]:
        """The offset of each partition's first record that is not older, by the records' times.

        moment_ms: milliseconds since 1970. Without the partitions that have no such record.
        """
        asked = [TopicPartition(*at, moment_ms) for at in partitions]
        try:
            return {
                (at.topic, at.partition): at.offset
                for at in _checked(self._client.offsets_for_times(asked, _TIMEOUT_SECONDS))
                if at.offset >= 0
            }
        except KafkaException as error:
            raise unavailable(self._servers, error) from error

    def _span(self, topic: str, number: int) -> Span:
        at = TopicPartition(topic, number)
        begin, end = self._client.get_watermark_offsets(at, timeout=_TIMEOUT_SECONDS)
        return begin, end


def lags(
    spans: Mapping[Partition, Span], committed: Mapping[Partition, int]
) -> dict[Partition, int]:
    """How many records of each partition the group has not handled.

    Where nothing is committed, the lag is all that the partition holds. What
    was handled after its end was read counts for nothing: it is no credit for another partition.
    """
    return {
        at: max(0, end - max(committed.get(at, 0), begin)) for at, (begin, end) in spans.items()
    }


def _checked(answered: list[TopicPartition]) -> list[TopicPartition]:
    for at in answered:
        if at.error:
            raise KafkaException(at.error)
    return answered


def unavailable(servers: str, error: KafkaException) -> KafkaUnavailable:
    """The error for a question that these servers did not answer."""
    return KafkaUnavailable(f"Kafka does not answer at {servers}: {error.args[0].str()}")
