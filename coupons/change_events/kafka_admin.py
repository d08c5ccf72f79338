"""What Kafka knows about the topics and the consumer group: sizes, members, lag."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from coupons.change_events import READER_SCHEMAS, REQUEST_TOPIC
from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient

GROUP = "coupon-cdc-consumer"
"""The default of COUPON_CONSUMER_GROUP."""

_TIMEOUT_SECONDS = 4.0


class GroupState(NamedTuple):
    """members: consumers in the group. lag: records that it has not handled yet."""

    state: str
    members: int
    lag: int


class UnreadPartition(NamedTuple):
    """A partition with old records that are not handled. offset: of the oldest of them."""

    topic: str
    partition: int
    offset: int
    records: int

    def __str__(self) -> str:
        return f"{self.topic} [{self.partition}] stands at offset {self.offset}"


class KafkaAdmin:
    """Queries to one Kafka cluster, with short timeouts. Every method raises KafkaUnavailable.

    Make one for a few questions, and do not keep it: an admin client of librdkafka 2.x that lives
    while Kafka comes up may abort the process (`rd_kafka_enq_once_del_source_return`).
    """

    def __init__(self, kafka: KafkaClient) -> None:
        self._servers = kafka.bootstrap_servers
        self._admin = kafka.admin()

    def partitions(self) -> Mapping[str, int]:
        """How many partitions each topic has."""
        try:
            found = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        except KafkaException as error:
            raise self._unavailable(error) from error
        return {name: len(topic.partitions) for name, topic in found.items()}

    def committed(self, group: str = GROUP) -> dict[tuple[str, int], int]:
        """The committed offset of each partition, by topic and number."""
        try:
            [listed] = self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=_TIMEOUT_SECONDS
            ).values()
            return {(at.topic, at.partition): at.offset for at in listed.result().topic_partitions}
        except KafkaException as error:
            raise self._unavailable(error) from error

    def consuming(self, group: str = GROUP) -> GroupState:
        """The group's members, and their lag on the connector's topics."""
        try:
            [described] = self._admin.describe_consumer_groups(
                [group], request_timeout=_TIMEOUT_SECONDS
            ).values()
            members = described.result()
            lag = self._lag(self.committed(group))
            return GroupState(members.state.name, len(members.members), lag)
        except KafkaException as error:
            raise self._unavailable(error) from error

    def unread(self, group: str, older_than_s: float) -> list[UnreadPartition]:
        """The partitions in which the group has not handled a record that is older than that.

        By the records' own times. One record is enough: it is a request.
        """
        moment_ms = int((time.time() - older_than_s) * 1_000)
        try:
            committed = self.committed(group)
            partitions = list(self._partitions())
            begin = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
            young = self._offsets(partitions, OffsetSpec.for_timestamp(moment_ms))
            end = self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        except KafkaException as error:
            raise self._unavailable(error) from error
        found = []
        for at in partitions:
            handled = max(committed.get(at, 0), begin[at])
            first_young = young[at] if young[at] >= 0 else end[at]
            if handled < first_young:
                found.append(UnreadPartition(*at, handled, end[at] - handled))
        return found

    def _lag(self, committed: Mapping[tuple[str, int], int]) -> int:
        """For a partition without a committed offset, the lag is all that it holds."""
        partitions = list(self._partitions())
        begin = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        end = self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return sum(end[at] - max(committed.get(at, 0), begin[at]) for at in partitions)

    def ends(self) -> dict[str, int]:
        """How many records the connector has ever written to each of its topics."""
        counts = dict.fromkeys(READER_SCHEMAS, 0)
        try:
            end = self._offsets(self._partitions(), OffsetSpec.latest())  # type: ignore[no-untyped-call]
        except KafkaException as error:
            raise self._unavailable(error) from error
        for (topic, _), offset in end.items():
            counts[topic] += offset
        return counts

    def held(self) -> dict[tuple[str, int], int]:
        """For each partition that holds records, the offset after the last one."""
        partitions = list(self._partitions())
        try:
            begin = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
            end = self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        except KafkaException as error:
            raise self._unavailable(error) from error
        return {partition: offset for partition, offset in end.items() if offset > begin[partition]}

    def trimmed_unread(self, group: str = GROUP) -> dict[tuple[str, int], int]:
        """How many requests retention removed before the group handled them, by partition.

        Heartbeats are not counted: a newer heartbeat replaces an older one.
        """
        committed = self.committed(group)
        try:
            begin = self._offsets(self._partitions(), OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        except KafkaException as error:
            raise self._unavailable(error) from error
        return {
            partition: offset - committed[partition]
            for partition, offset in begin.items()
            if partition[0] == REQUEST_TOPIC
            and partition in committed
            and offset > committed[partition] >= 0
        }

    def _partitions(self) -> Iterable[tuple[str, int]]:
        partitions = self.partitions()
        for topic in READER_SCHEMAS:
            yield from ((topic, number) for number in range(partitions.get(topic, 0)))

    def _offsets(
        self, partitions: Iterable[tuple[str, int]], spec: Any
    ) -> dict[tuple[str, int], int]:
        asked = {TopicPartition(*partition): spec for partition in partitions}
        if not asked:
            return {}
        answers = self._admin.list_offsets(asked, request_timeout=_TIMEOUT_SECONDS)
        return {(at.topic, at.partition): found.result().offset for at, found in answers.items()}

    def _unavailable(self, error: KafkaException) -> KafkaUnavailable:
        return KafkaUnavailable(f"Kafka does not answer at {self._servers}: {error.args[0].str()}")
