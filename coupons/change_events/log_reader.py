"""Reads a topic once, from its oldest record to its present end."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient

ANSWER_SECONDS = 5.0
SILENT_SECONDS = 15.0
"""How long Kafka may send nothing before the end is reached."""

_BATCH = 1_000
_POLL_SECONDS = 0.2

Batch = list["Message[bytes, bytes]"]


class PartitionRange(NamedTuple):
    """The offsets that a partition holds: from begin to end, without end.

    begin: retention has removed this many records. since_ms: when the oldest record was written, in
    milliseconds since 1970; None when there is none, or it was not read yet.
    """

    begin: int
    end: int
    since_ms: int | None = None


class LogReader:
    """Reads one topic without joining a group; close it, or use it in a `with` statement.

    kept: by partition; empty when there is no such topic. Every method raises KafkaUnavailable.
    """

    def __init__(self, kafka: KafkaClient, topic: str, group: str) -> None:
        settings = {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            # The client's default is the end, if retention removes the first record meanwhile.
            "auto.offset.reset": "earliest",
        }
        self._topic = topic
        self._servers = kafka.bootstrap_servers
        self._consumer = kafka.consumer(settings)
        self.kept: dict[int, PartitionRange] = {}
        try:
            self.kept = self._ask()
        except KafkaException as error:
            self.close()
            raise self._unreadable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def only_newest(self, count: int) -> None:
        """Read only the newest `count` records of each partition."""
        self.kept = {
            number: kept._replace(begin=max(kept.begin, kept.end - count))
            for number, kept in self.kept.items()
        }

    def only_between(self, from_ms: int, until_ms: int | None) -> None:
        """Read only the records of this time, by their own times in milliseconds since 1970.

        until_ms: None: up to the present end. Records of one partition are in order of time, except
        for clocks that were set back.
        """
        first = self._offsets_at(from_ms)
        last = {} if until_ms is None else self._offsets_at(until_ms)
        self.kept = {
            number: kept._replace(
                begin=max(kept.begin, first.get(number, kept.end)),
                end=min(kept.end, last.get(number, kept.end)),
            )
            for number, kept in self.kept.items()
        }

    def _offsets_at(self, moment_ms: int) -> dict[int, int]:
        """By partition, the first record that is not older; left out where there is none."""
        asked = [TopicPartition(self._topic, number, max(0, moment_ms)) for number in self.kept]
        try:
            found = self._consumer.offsets_for_times(asked, ANSWER_SECONDS) if asked else []
        except KafkaException as error:
            raise self._unreadable(error) from error
        return {each.partition: each.offset for each in found if each.offset >= 0}

    def read(self) -> Iterator[Batch]:
        """The records up to the present end, in batches, in the order of each partition."""
        left = {number: kept.end for number, kept in self.kept.items() if kept.end > kept.begin}
        self._consumer.assign(
            [TopicPartition(self._topic, number, self.kept[number].begin) for number in left]
        )
        give_up = time.monotonic() + SILENT_SECONDS
        while left:
            try:
                found = self._take(left)
            except KafkaException as error:
                raise self._unreadable(error) from error
            if found is not None:
                if found:
                    yield found
                give_up = time.monotonic() + SILENT_SECONDS
            elif time.monotonic() > give_up:
                raise KafkaUnavailable(
                    f"{self._topic} was not read to its end: Kafka at {self._servers} sent nothing"
                    f" for {SILENT_SECONDS:.0f} s; see `coupon status`"
                )

    def _take(self, left: dict[int, int]) -> Batch | None:
        """The next records; None when nothing came. Removes from `left` what has been read."""
        messages = self._consumer.consume(_BATCH, _POLL_SECONDS)
        records: Batch = []
        for message in messages:
            error, number, offset = message.error(), message.partition(), message.offset()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            assert number is not None
            assert offset is not None
            if error is None and offset < self.kept[number].end:
                self._note(number, offset, message)
                records.append(message)
            # The message for the end of a partition has the offset after its last record.
            if offset + (error is None) >= left.get(number, 0):
                left.pop(number, None)
        return records if messages else None

    def _note(self, number: int, offset: int, message: "Message[bytes, bytes]") -> None:
        kept = self.kept[number]
        if kept.since_ms is None:
            # Retention may have removed more records since the offsets were read.
            self.kept[number] = PartitionRange(
                max(kept.begin, offset), kept.end, message.timestamp()[1]
            )

    def _ask(self) -> dict[int, PartitionRange]:
        topic = self._consumer.list_topics(timeout=ANSWER_SECONDS).topics.get(self._topic)
        if topic is None:
            return {}
        if topic.error is not None:
            raise KafkaException(topic.error)
        kept = {}
        for number in topic.partitions:
            partition = TopicPartition(self._topic, number)
            kept[number] = PartitionRange(
                *self._consumer.get_watermark_offsets(partition, ANSWER_SECONDS)
            )
        return kept

    def _unreadable(self, error: KafkaException) -> KafkaUnavailable:
        return KafkaUnavailable(
            f"{self._topic} cannot be read: Kafka at {self._servers} says"
            f" {error.args[0].str()}; see `coupon status`"
        )
