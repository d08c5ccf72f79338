"""What the loop tells Kafka, and when: against a client that plays a script."""

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from cdc_consumer.health import Health
from cdc_consumer.limits import DeadLetterLimit, History
from cdc_consumer.loop import ConsumerLoop
from cdc_consumer.records import Record
from coupons.errors import DeadLetterOutage, GateUnavailable

PARTITION = TopicPartition("requests", 0)


class Message:
    def __init__(self, offset: int) -> None:
        self._offset = offset

    def topic(self) -> str:
        return PARTITION.topic

    def partition(self) -> int:
        return PARTITION.partition

    def offset(self) -> int:
        return self._offset

    def error(self) -> None:
        return None

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
        self.refuse_seek = False
        self.metadata = ""
        self.committed_metadata: list[str | None] = []
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
        self._next += 1
        return Message(self._next - 1)

    def consume(self, _number: int, _seconds: float) -> list[Message]:
        found = [Message(offset) for offset in range(self._next, 5)]
        self._next = 5
        if self.lose_while_gathering:
            self._callbacks["on_lost"](self, [PARTITION])
            self._stopping.set()
        return found

    def assignment(self) -> list[TopicPartition]:
        return [PARTITION]

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(each.topic, each.partition, 0, self.metadata) for each in partitions]

    def pause(self, _partitions: Sequence[TopicPartition]) -> None:
        self._paused = True
        self.calls.append("pause")

    def resume(self, _partitions: Sequence[TopicPartition]) -> None:
        self._paused = False
        self.calls.append("resume")

    def seek(self, place: TopicPartition) -> None:
        self.calls.append(("seek", place.offset))
        if self.refuse_seek:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self._next = place.offset

    def unsubscribe(self) -> None:
        self.calls.append("unsubscribe")
        self._callbacks["on_revoke"](self, [PARTITION])
        self._next = 0  # what is committed: nothing

    def commit(
        self, offsets: list[TopicPartition], asynchronous: bool = True
    ) -> list[TopicPartition] | None:
        self.calls.append(("commit", offsets[0].offset, asynchronous))
        self.committed_metadata += [each.metadata for each in offsets]
        return None if asynchronous else offsets

    def close(self) -> None:
        self._callbacks["on_revoke"](self, [PARTITION])
        self.calls.append("close")


class Run:
    """Runs the loop once over the script; `troubles` are raised by the first batches."""

    def __init__(self, *troubles: Exception) -> None:
        self.stopping = Event()
        self.consumer = ScriptedConsumer(self.stopping)
        self.history = History(DeadLetterLimit(in_a_row=3, share=0.5, recent=100))
        self.health = Health()
        self._troubles = list(troubles)

    def handle(self, batch: Sequence[Record]) -> None:
        self.consumer.calls.append(("handle", [record.offset for record in batch]))
        if self._troubles:
            raise self._troubles.pop(0)

    def run(self) -> list[Any]:
        client: Any = self.consumer
        ConsumerLoop(lambda _: client, self.handle, self.history, self.health, 500).run(
            self.stopping
        )
        return self.consumer.calls


ALL = [0, 1, 2, 3, 4]


def test_offsets_are_committed_only_after_the_batch_is_handled() -> None:
    assert Run().run() == [
        ("handle", ALL),
        ("commit", 5, True),
        ("commit", 5, False),
        "close",
    ]


def test_a_batch_in_trouble_is_put_back_at_its_beginning_and_comes_again() -> None:
    calls = Run(GateUnavailable("away")).run()
    assert calls[:5] == [("handle", ALL), "pause", ("seek", 0), "resume", ("handle", ALL)]
    assert calls[5] == ("commit", 5, True)


def test_a_partition_that_cannot_be_set_back_is_read_again_from_what_is_committed() -> None:
    run = Run(GateUnavailable("away"))
    run.consumer.refuse_seek = True
    calls = run.run()
    assert calls[:4] == [("handle", ALL), "pause", ("seek", 0), "unsubscribe"]
    assert ("handle", ALL) in calls[4:]
    assert calls[-2:] == [("commit", 5, False), "close"]


def test_any_other_error_ends_the_process_and_commits_nothing() -> None:
    run = Run(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run.run()
    assert run.consumer.calls == [("handle", ALL), "close"]


def test_records_of_a_partition_lost_while_gathering_are_left_to_its_new_owner() -> None:
    run = Run()
    run.consumer.lose_while_gathering = True
    assert run.run() == ["close"]


def test_at_an_outage_nothing_is_committed_and_the_same_batch_comes_again_until_it_passes() -> None:
    run = Run(*[DeadLetterOutage("too many")] * 2)
    calls = run.run()
    attempt = [("handle", ALL), "pause", ("seek", 0), "resume"]
    assert calls[:10] == [*attempt, *attempt, ("handle", ALL), ("commit", 5, True)]


def test_an_outage_is_told_in_one_error_and_by_health_and_its_end_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Run(*[DeadLetterOutage("too many")] * 3)
    complaints: list[str | None] = []
    handle = run.handle

    def watched(batch: Sequence[Record]) -> None:
        complaints.append(run.health.complaint())
        handle(batch)

    run.handle = watched  # type: ignore[method-assign]
    run.run()
    told = [record.levelname for record in caplog.records if record.name == "cdc_consumer.loop"]
    assert told.count("ERROR") == 1
    assert told.count("WARNING") == 1
    assert complaints == [None, *["stopped: too many"] * 3]
    assert run.health.complaint() is None


def test_the_history_of_dead_letters_is_loaded_from_and_committed_with_the_offsets() -> None:
    run = Run()
    run.consumer.metadata = "dead-letters:5"
    run.run()
    assert run.consumer.committed_metadata == ["dead-letters:5"] * 2
