"""A client of Kafka that plays a script, and the consumer's loop over it."""

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from cdc_consumer.health import Health
from cdc_consumer.limits import DlqLimit, DlqLimitState
from cdc_consumer.loop import ConsumerLoop
from cdc_consumer.records import Record

PARTITION = TopicPartition("requests", 0)
ALL = [0, 1, 2, 3, 4]
"""The offsets of its records."""
MEMBER_ID = "consumer-1.10-of-this-client"


class Message:
    def __init__(self, offset: int, partition: int = 0, error: KafkaError | None = None) -> None:
        self._offset = offset
        self._partition = partition
        self._error = error

    def topic(self) -> str:
        return PARTITION.topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return self._error

    def key(self) -> bytes:
        return b""

    def value(self) -> bytes:
        return b""

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 0


class ScriptedConsumer:
    """One partition with records 0 to 4; stops the loop when they are read. calls: in order."""

    def __init__(self, stopping: Event) -> None:
        self.calls: list[Any] = []
        self.lose_while_gathering = False
        self.lose_and_regain_before: set[int] = set()
        self.refuse_seeks = 0
        self.commit_error: KafkaError | None = None
        self.metadata = ""
        self.committed_offset = 0
        self.committed_metadata: list[str | None] = []
        self.before_close: Callable[[object], None] = lambda _: None
        self._stopping = stopping
        self._paused = False
        self._next = 0
        self._callbacks: dict[str, Callable[..., None]] = {}

    def subscribe(self, _topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        self._callbacks = callbacks
        callbacks["on_assign"](self, [PARTITION])

    def poll(self, _seconds: float) -> Message | None:
        if self._paused:
            return None
        if self._next >= 5:
            self._stopping.set()
            return None
        if self._next in self.lose_and_regain_before:
            self._lose_and_regain()
        self._next += 1
        return Message(self._next - 1)

    def consume(self, number: int, _seconds: float) -> list[Message]:
        found: list[Message] = []
        while self._next < 5 and len(found) < number:
            if self._next in self.lose_and_regain_before:
                self._lose_and_regain()
            found.append(Message(self._next))
            self._next += 1
        if self.lose_while_gathering:
            self._callbacks["on_lost"](self, [PARTITION])
            self._stopping.set()
        return found

    def _lose_and_regain(self) -> None:
        """As librdkafka does within one call; the partition begins at what is committed."""
        self.lose_and_regain_before.discard(self._next)
        self._callbacks["on_lost"](self, [PARTITION])
        self._callbacks["on_assign"](self, [PARTITION])
        self._next = self.committed_offset

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [
            TopicPartition(each.topic, each.partition, self.committed_offset, self.metadata)
            for each in partitions
        ]

    def pause(self, _partitions: Sequence[TopicPartition]) -> None:
        self._paused = True
        self.calls.append("pause")

    def resume(self, _partitions: Sequence[TopicPartition]) -> None:
        self._paused = False
        self.calls.append("resume")

    def seek(self, place: TopicPartition) -> None:
        self.calls.append(("seek", place.offset))
        if self.refuse_seeks:
            self.refuse_seeks -= 1
            raise KafkaException(KafkaError(KafkaError._STATE))
        self._next = place.offset

    def commit(
        self, offsets: list[TopicPartition], asynchronous: bool = True
    ) -> list[TopicPartition] | None:
        self.calls.append(("commit", offsets[0].offset, asynchronous))
        if self.commit_error is not None:
            raise KafkaException(self.commit_error)
        self.committed_offset = offsets[0].offset
        self.committed_metadata += [each.metadata for each in offsets]
        return None if asynchronous else offsets

    def memberid(self) -> str:
        return MEMBER_ID

    def close(self) -> None:
        self.before_close(self)
        self._callbacks["on_revoke"](self, [PARTITION])
        self.calls.append("close")


class Run:
    """Runs the loop once over the script; `troubles` are raised by the first batches."""

    batch_size = 500

    def __init__(self, *troubles: Exception) -> None:
        self.stopping = Event()
        self.consumer = ScriptedConsumer(self.stopping)
        self.history = DlqLimitState(DlqLimit(max_consecutive=3, max_ratio=0.5, window=100))
        self.health = Health()
        self._troubles = list(troubles)

    def handle(self, batch: Sequence[Record]) -> None:
        self.consumer.calls.append(("handle", [record.offset for record in batch]))
        if self._troubles:
            raise self._troubles.pop(0)

    def run(self) -> list[Any]:
        client: Any = self.consumer
        ConsumerLoop(
            lambda _: client, self.handle, self.history, self.health, self.batch_size, 60, bool
        ).run(self.stopping)
        return self.consumer.calls
