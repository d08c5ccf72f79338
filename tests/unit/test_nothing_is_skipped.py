"""Between two commits nothing is skipped, whatever a group does to its member and in any order.

The loop runs over a simulated Kafka that serves losses, assignments and records within one call, as
librdkafka does. Its log has gaps of its own. Everything below a committed offset must be handled.
"""

from collections.abc import Callable, Sequence
from itertools import count
from threading import Event
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cdc_consumer.health import Health
from cdc_consumer.limits import DlqLimit, DlqLimitState
from cdc_consumer.loop import ConsumerLoop
from cdc_consumer.records import Record
from coupons.errors import RedisUnavailable
from tests.unit.scripted_consumer import Message

TOPIC = "requests"
LOGS = {0: [0, 1, 2, 3, 4, 5, 6, 7], 1: [3, 4, 6, 7, 8, 11, 12, 13]}
"""Offsets with records: of the second partition some are removed, and some are markers."""
BATCH_SIZE = 4
MOST_POLLS = 3_000

EVENTS = (
    *("lose", "lose and gain", "revoke", "revoke and gain", "gain", "another one handles some"),
    *("refuse seeks", "allow seeks", "refuse commits", "allow commits"),
    *("hide what is committed", "show what is committed", "fail to handle", "nothing comes"),
    *("record",) * 8,
)


NOTHING = ["nothing comes"]
LOST_WHILE_IT_WAITS = ["fail to handle", "record", *NOTHING, "lose", *NOTHING * 20, "gain"]


class SimulatedKafka:
    """Two partitions of one member. What was handled, by it or by others, is kept by partition."""

    def __init__(self, events: Sequence[str], stopping: Event) -> None:
        self.handled: dict[int, set[int]] = {number: set() for number in LOGS}
        self.committed_offsets = dict.fromkeys(LOGS, -1001)
        self.failures = 0
        self._events = list(events)
        self._stopping = stopping
        self._callbacks: dict[str, Callable[..., None]] = {}
        self._positions: dict[int, int] = {}
        self._paused: set[int] = set()
        self._refused: set[str] = set()
        self._calm = False
        self._polls = 0

    # What the loop calls.

    def subscribe(self, _topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        self._callbacks = callbacks
        self._gain()

    def poll(self, _seconds: float) -> Message | None:
        self._polls += 1
        assert self._polls < MOST_POLLS, "it never comes to an end"
        message = self._serve()
        if message is None and self._calm and not self._paused:
            self._stopping.set()
        return message

    def consume(self, most: int, _seconds: float) -> list[Message]:
        found: list[Message] = []
        while len(found) < most and (message := self._serve()) is not None:
            found.append(message)
        return found

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        self._refuse_if("hide what is committed")
        return [
            TopicPartition(TOPIC, each.partition, self.committed_offsets[each.partition])
            for each in places
        ]

    def commit(
        self, offsets: list[TopicPartition], asynchronous: bool = True
    ) -> list[TopicPartition] | None:
        self._refuse_if("refuse commits")
        for place in offsets:
            below = {each for each in LOGS[place.partition] if each < place.offset}
            skipped = sorted(below - self.handled[place.partition])
            assert not skipped, f"{place} is committed, and {skipped} were skipped"
            self.committed_offsets[place.partition] = place.offset
        return None if asynchronous else offsets

    def seek(self, place: TopicPartition) -> None:
        self._refuse_if("refuse seeks")
        if place.partition not in self._positions:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self._positions[place.partition] = place.offset

    def pause(self, places: Sequence[TopicPartition]) -> None:
        self._paused |= {each.partition for each in places}

    def resume(self, places: Sequence[TopicPartition]) -> None:
        self._paused -= {each.partition for each in places}

    def close(self) -> None:
        self._give_up("on_revoke")

    # What happens meanwhile.

    def _serve(self) -> Message | None:
        while self._events and (event := self._events.pop(0)) != "record":
            if event == "nothing comes":
                return None
            self._happens(event)
        if not self._events:
            self._calm_down()
        return self._next_message()

    def _happens(self, event: str) -> None:
        if event.startswith(("lose", "revoke")):
            self._give_up("on_lost" if event.startswith("lose") else "on_revoke")
        if event.endswith("gain"):
            self._gain()
        if event == "another one handles some" and not self._positions:
            self._others_handle(2)
        if event == "fail to handle":
            self.failures += 1
        if event.startswith(("refuse", "hide")):
            self._refused.add(event)
        if event.startswith(("allow", "show")):
            self._refused.discard(event.replace("allow", "refuse").replace("show", "hide"))

    def _calm_down(self) -> None:
        self._calm = True
        self._refused.clear()
        self.failures = 0
        if not self._positions:
            self._gain()

    def _give_up(self, callback: str) -> None:
        if self._positions:
            self._callbacks[callback](self, [TopicPartition(TOPIC, n) for n in LOGS])
            self._positions.clear()

    def _gain(self) -> None:
        if not self._positions:
            self._callbacks["on_assign"](self, [TopicPartition(TOPIC, n) for n in LOGS])
            self._positions = {n: max(0, at) for n, at in self.committed_offsets.items()}

    def _others_handle(self, most: int) -> None:
        for number, log in LOGS.items():
            left = [each for each in log if each >= self.committed_offsets[number]][:most]
            self.handled[number].update(left)
            if left:
                self.committed_offsets[number] = left[-1] + 1

    def _next_message(self) -> Message | None:
        for number, position in sorted(self._positions.items(), key=lambda item: item[1]):
            left = [each for each in LOGS[number] if each >= position]
            if left and number not in self._paused:
                self._positions[number] = left[0] + 1
                return Message(left[0], number)
        return None

    def _refuse_if(self, refusal: str) -> None:
        if refusal in self._refused:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


def run(events: Sequence[str]) -> SimulatedKafka:
    """The loop over these events and then a calm time, until nothing comes any more."""
    stopping = Event()
    kafka = SimulatedKafka(events, stopping)

    def handle(batch: Sequence[Record]) -> None:
        if kafka.failures:
            kafka.failures -= 1
            raise RedisUnavailable("away")
        for record in batch:
            kafka.handled[record.partition].add(record.offset)

    history = DlqLimitState(DlqLimit(max_consecutive=3, max_ratio=0.5, window=100))
    client = cast(Consumer, kafka)
    ConsumerLoop(lambda _: client, handle, history, Health(), BATCH_SIZE, 60, bool).run(stopping)
    return kafka


@pytest.fixture
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock takes a while, so that waiting takes no time."""
    ticks = count()
    monkeypatch.setattr("cdc_consumer.loop.time.monotonic", lambda: next(ticks) * 0.05)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=st.lists(st.sampled_from(EVENTS), max_size=60))
@example(events=LOST_WHILE_IT_WAITS)
@pytest.mark.usefixtures("quick_clock")
def test_everything_below_a_committed_offset_is_handled(
    events: list[str],
) -> None:
    """Everything below a committed offset is handled and in the end all is."""
    kafka = run(events)
    assert kafka.handled == {number: set(log) for number, log in LOGS.items()}
    assert kafka.committed_offsets == {number: log[-1] + 1 for number, log in LOGS.items()}
