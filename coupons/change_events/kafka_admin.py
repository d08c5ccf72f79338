"""What Kafka knows about the topics and the consumer group: sizes, members, lag."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaException

from coupons.change_events import READER_SCHEMAS, REQUEST_TOPIC
from coupons.change_events.offsets import OffsetReader, Partition, Span, lags, unavailable
from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient

GROUP = "coupon-cdc-consumer"
"""The default of COUPON_CONSUMER_GROUP."""

STABLE = "Stable"
"""The state of a group whose members have their partitions; Kafka's own word."""

_NO_GROUP = "Dead"
_TIMEOUT_SECONDS = 4.0
_UUID_LENGTH = 36


class GroupState(NamedTuple):
    """state: Kafka's word. members: consumers in the group. lag: records not handled yet."""

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
    """Queries about one consumer group, with short timeouts. Methods raise KafkaUnavailable."""

    def __init__(self, kafka: KafkaClient, group: str = GROUP) -> None:
        self._kafka = kafka
        self._group = group
        self._offsets = OffsetReader(kafka, group)

    def partitions(self) -> Mapping[str, int]:
        """How many partitions each topic has."""
        return self._offsets.partitions()

    def committed(self) -> dict[Partition, int]:
        """The committed offset of each partition of the connector's topics."""
        return self._offsets.committed(self._spans())

    def consuming(self) -> GroupState:
        """The group's members, and their lag on the connector's topics."""
        state, members = self._members()
        # Ends before committed offsets: a record that is handled meanwhile never counts as lag.
        spans = self._spans()
        committed = self._offsets.committed(spans)
        return GroupState(state, len(members), sum(lags(spans, committed).values()))

    def member_named(self, name: str) -> str | None:
        """The id of the group's static member of this name; None: there is none."""
        _, members = self._members()
        # A broker makes the id of a static member: its name, a hyphen, and a UUID.
        length = len(name) + 1 + _UUID_LENGTH
        named = (each for each in members if each.startswith(f"{name}-") and len(each) == length)
        return next(named, None)

    def unread(self, older_than_s: float) -> list[UnreadPartition]:
        """The partitions in which the group has not handled a record that is older than that.

        By the records' own times. One record is enough: it is a request.
        """
        spans = self._spans()
        committed = self._offsets.committed(spans)
        young = self._offsets.at_time(spans, int((time.time() - older_than_s) * 1_000))
        found = []
        for at, (begin, end) in spans.items():
            handled = max(committed.get(at, 0), begin)
            if handled < young.get(at, end):
                found.append(UnreadPartition(*at, handled, end - handled))
        return found

    def ends(self) -> dict[str, int]:
        """How many records the connector has ever written to each of its topics."""
        counts = dict.fromkeys(READER_SCHEMAS, 0)
        for (topic, _), (_, end) in self._spans().items():
            counts[topic] += end
        return counts

    def held(self) -> dict[Partition, int]:
        """For each partition that holds records, the offset after the last one."""
        return {at: end for at, (begin, end) in self._spans().items() if end > begin}

    def trimmed_unread(self) -> dict[Partition, int]:
        """How many requests retention removed before the group handled them, by partition.

        Heartbeats are not counted: a newer heartbeat replaces an older one.
        """
        spans = {at: span for at, span in self._spans().items() if at[0] == REQUEST_TOPIC}
        committed = self._offsets.committed(spans)
        return {
            at: begin - committed[at]
            for at, (begin, _) in spans.items()
            if at in committed and begin > committed[at]
        }

    def _spans(self) -> dict[Partition, Span]:
        """Begin and end of each partition of the connector's topics."""
        spans: dict[Partition, Span] = {}
        for topic in READER_SCHEMAS:
            spans.update(self._offsets.spans(topic))
        return spans

    def _members(self) -> tuple[str, Sequence[str]]:
        """The group's state and the ids of its members.

        `list_groups` is deprecated, but it is a plain call. Its successor is one of the requests
        that `offsets.py` warns of.
        """
        try:
            found = self._kafka.admin().list_groups(self._group, timeout=_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise unavailable(self._kafka.bootstrap_servers, error) from error
        if not found:
            return _NO_GROUP, ()
        if found[0].error is not None:
            # Its coordinator is loading or moving: no members does not mean that there are none.
            raise KafkaUnavailable(f"Kafka does not show the group {self._group}: {found[0].error}")
        return str(found[0].state), [str(each.id) for each in found[0].members]
