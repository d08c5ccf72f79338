"""What the loop tells Kafka, and when: against a client that plays a script."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from cdc_consumer.loop import ClientFinished, ConsumerLoop
from cdc_consumer.records import Record
from coupons.errors import DeadLetterOutage, RedisUnavailable
from tests.unit.scripted_consumer import ALL, MEMBER_ID, PARTITION, Message, Run


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
    with pytest.raises(ClientFinished) as raised:
        run.run()
    assert raised.value.member_id == MEMBER_ID
    assert run.consumer.calls == ["close"]


@pytest.mark.parametrize("code", FINISHED)
def test_a_fatal_error_of_a_commit_ends_the_process(code: int) -> None:
    """A client that is finished says so to a commit and ends the process."""
    run = Run()
    run.consumer.commit_error = KafkaError(code)
    with pytest.raises(ClientFinished):
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


def test_a_fatal_error_of_the_last_commit_is_the_same_error() -> None:
    """It comes when the client is closed, after a stop."""
    run = Run()

    def refuse(_: object) -> None:
        run.consumer.commit_error = KafkaError(KafkaError.FENCED_INSTANCE_ID)

    run.consumer.before_close = refuse
    with pytest.raises(ClientFinished):
        run.run()


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
