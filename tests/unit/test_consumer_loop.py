"""What the loop tells Kafka, and when: against a client that plays a script."""

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from cdc_consumer.health import Health
from cdc_consumer.limits import DlqLimit, DlqLimitState
from cdc_consumer.loop import ConsumerLoop
from cdc_consumer.records import Record
from coupons.errors import DeadLetterOutage, RedisUnavailable

PARTITION = TopicPartition("requests", 0)


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

    def close(self) -> None:
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


ALL = [0, 1, 2, 3, 4]


def test_offsets_are_committed_only_after_the_batch_is_handled() -> None:
    assert Run().run() == [
        ("handle", ALL),
        ("commit", 5, True),
        ("commit", 5, False),
        "close",
    ]


def test_a_batch_in_trouble_is_put_back_at_its_beginning_and_comes_again() -> None:
    calls = Run(RedisUnavailable("away")).run()
    assert calls[:5] == [("handle", ALL), "pause", ("seek", 0), "resume", ("handle", ALL)]
    assert calls[5] == ("commit", 5, True)


def test_a_partition_is_set_back_before_anything_of_it_is_taken() -> None:
    """A partition that cannot be set back at once is before anything of it is taken."""
    run = Run(RedisUnavailable("away"))
    run.consumer.refuse_seeks = 3
    calls = run.run()
    assert calls[:5] == [("handle", ALL), "pause", ("seek", 0), ("seek", 0), ("seek", 0)]
    handled = calls.index(("handle", ALL), 1)
    assert calls[handled - 2 : handled + 2] == [
        ("seek", 0),
        "resume",
        ("handle", ALL),
        ("commit", 5, True),
    ]


def test_a_partition_lost_and_regained_is_read_from_its_commit() -> None:
    """A partition lost and gained within one poll is read from what is committed."""
    run = Run()
    run.consumer.lose_and_regain_before = {0}
    assert run.run() == [("handle", ALL), ("commit", 5, True), ("commit", 5, False), "close"]


def test_a_partition_lost_and_gained_while_gathering_is_read_again() -> None:
    run = Run()
    run.consumer.lose_and_regain_before = {3}
    calls = run.run()
    assert calls == [
        *(("seek", 0), ("handle", ALL), ("commit", 5, True), ("commit", 5, False)),
        "close",
    ]


FINISHED = [KafkaError._FATAL, KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID]


@pytest.mark.parametrize("code", FINISHED)
def test_a_fatal_error_in_a_message_ends_the_process(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is finished says so in a message and ends the process."""
    run = Run()
    messages = [Message(0, error=KafkaError(code))]
    monkeypatch.setattr(run.consumer, "poll", lambda _: messages.pop())
    with pytest.raises(KafkaException):
        run.run()
    assert run.consumer.calls == ["close"]


@pytest.mark.parametrize("code", FINISHED)
def test_a_fatal_error_of_a_commit_ends_the_process(code: int) -> None:
    """A client that is finished says so to a commit and ends the process."""
    run = Run()
    run.consumer.commit_error = KafkaError(code)
    with pytest.raises(KafkaException):
        run.run()
    assert ("commit", 5, True) in run.consumer.calls


def test_a_fatal_error_of_a_late_answer_ends_the_process() -> None:
    """A client that is finished says so to a late answer and ends the process."""
    run = Run()
    client: Any = run.consumer
    answers: list[Callable[..., None]] = []

    def connect(on_commit: Callable[..., None]) -> Any:
        answers.append(on_commit)
        return client

    ConsumerLoop(connect, run.handle, run.history, run.health, 500, 60, bool)
    with pytest.raises(KafkaException):
        answers[0](KafkaError(KafkaError._FATAL), [PARTITION])


def test_a_refused_commit_is_covered_by_the_next_one() -> None:
    run = Run()
    run.consumer.commit_error = KafkaError(KafkaError.ILLEGAL_GENERATION)
    calls = run.run()
    assert calls == [("handle", ALL), ("commit", 5, True), ("commit", 5, False), "close"]


def test_it_is_healthy_once_the_group_told_it_what_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run()
    assert run.health.complaint() == "starting"
    subscribe = run.consumer.subscribe

    def watched(topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        assert run.health.complaint() == "joining the group"
        subscribe(topics, **callbacks)

    monkeypatch.setattr(run.consumer, "subscribe", watched)
    run.run()
    assert run.health.complaint() is None


def test_any_other_error_ends_the_process_and_commits_nothing() -> None:
    run = Run(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run.run()
    assert run.consumer.calls == [("handle", ALL), "close"]


def test_records_of_a_partition_lost_while_gathering_are_left_alone() -> None:
    """Records of a partition lost while gathering are left to its new owner."""
    run = Run()
    run.consumer.lose_while_gathering = True
    assert run.run() == ["close"]


def test_at_an_outage_nothing_is_committed_and_the_batch_comes_again() -> None:
    """At an outage nothing is committed and the same batch comes again until it passes."""
    run = Run(*[DeadLetterOutage("too many")] * 2)
    calls = run.run()
    attempt = [("handle", ALL), "pause", ("seek", 0), "resume"]
    assert calls[:10] == [*attempt, *attempt, ("handle", ALL), ("commit", 5, True)]


def test_an_outage_is_one_error_in_the_log_and_its_end_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An outage is told in one error and by health and its end in one line."""
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


def test_the_history_of_dead_letters_is_committed_with_the_offsets() -> None:
    """The history of dead letters is loaded from and committed with the offsets."""
    run = Run()
    run.consumer.metadata = "dead-letters:5"
    run.run()
    assert run.consumer.committed_metadata == ["dead-letters:5"] * 2
