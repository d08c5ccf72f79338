"""Group commit: who writes, with whom, and what the others hear."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock

import pytest

from api.write_batcher import NoAnswer, NotReached, WriteBatcher
from tests.waiting import eventually


class Writes:
    """A write that is held up until it is let go, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.most_at_once = 0
        self.may_end = Event()
        self._now = 0
        self._lock = Lock()

    def __call__(self, items: Sequence[int]) -> list[int]:
        with self._lock:
            self.batches.append(list(items))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        self.may_end.wait(10)
        with self._lock:
            self._now -= 1
        if any(item < 0 for item in items):
            raise ValueError(f"cannot write {items}")
        return [item * 10 for item in items]


@pytest.fixture
def writes() -> Writes:
    return Writes()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as threads:
        yield threads


def batcher_of(
    writes: Writes, size: int = 100, at_once: int = 1, deadline: float = 10.0
) -> WriteBatcher[int, int]:
    return WriteBatcher(writes, size, at_once, deadline)


def submit_while_one_writes(
    batcher: WriteBatcher[int, int], writes: Writes, threads: ThreadPoolExecutor, items: list[int]
) -> list[Future[int]]:
    """Submit the first item, and the others once its write has begun; returns when all wait."""
    futures = [threads.submit(batcher.submit, items[0])]
    eventually(lambda: len(writes.batches) == 1)
    futures += [threads.submit(batcher.submit, item) for item in items[1:]]
    eventually(lambda: len(batcher._queue) == len(items) - 1)
    return futures


def test_alone_it_is_written_at_once_and_alone(writes: Writes) -> None:
    writes.may_end.set()
    assert batcher_of(writes).submit(4) == 40
    assert writes.batches == [[4]]


def test_those_who_come_during_a_write_form_the_next_batch(
    writes: Writes, threads: ThreadPoolExecutor
) -> None:
    futures = submit_while_one_writes(batcher_of(writes), writes, threads, list(range(20)))
    writes.may_end.set()
    assert [future.result() for future in futures] == [item * 10 for item in range(20)]
    assert [len(batch) for batch in writes.batches] == [1, 19]


def test_batches_are_bounded(writes: Writes, threads: ThreadPoolExecutor) -> None:
    futures = submit_while_one_writes(batcher_of(writes, size=8), writes, threads, list(range(20)))
    writes.may_end.set()
    assert [future.result() for future in futures] == [item * 10 for item in range(20)]
    assert [len(batch) for batch in writes.batches] == [1, 8, 8, 3]


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_batches_are_written_at_once_than_may(
    writes: Writes, threads: ThreadPoolExecutor, at_once: int
) -> None:
    batcher = batcher_of(writes, size=1, at_once=at_once)
    futures = [threads.submit(batcher.submit, item) for item in range(30)]
    eventually(lambda: len(writes.batches) == at_once)
    writes.may_end.set()
    assert sorted(future.result() for future in futures) == [item * 10 for item in range(30)]
    assert writes.most_at_once == at_once


def test_an_error_reaches_everybody_of_the_batch_and_nobody_else(
    writes: Writes, threads: ThreadPoolExecutor
) -> None:
    batcher = batcher_of(writes)
    first, *others = submit_while_one_writes(batcher, writes, threads, [1, 2, -3, 4])
    writes.may_end.set()
    assert first.result() == 10
    for future in others:
        with pytest.raises(ValueError, match="cannot write"):
            future.result()
    assert batcher.submit(5) == 50


def test_who_is_not_reached_in_time_is_withdrawn(
    writes: Writes, threads: ThreadPoolExecutor
) -> None:
    batcher = batcher_of(writes, deadline=0.2)
    first, second = submit_while_one_writes(batcher, writes, threads, [1, 2])
    with pytest.raises(NotReached):
        second.result()
    writes.may_end.set()
    assert first.result() == 10
    assert batcher.submit(3) == 30
    assert writes.batches == [[1], [3]]


def test_whose_batch_takes_too_long_hears_that_it_is_not_known(
    writes: Writes, threads: ThreadPoolExecutor
) -> None:
    gates: list[Event] = [Event(), Event(), Event()]
    entered: list[Sequence[int]] = []

    def write(items: Sequence[int]) -> list[int]:
        turn = len(entered)
        entered.append(items)
        gates[min(turn, 2)].wait(10)
        return [item * 10 for item in items]

    batcher: WriteBatcher[int, int] = WriteBatcher(write, 100, 1, 0.5)
    first = threads.submit(batcher.submit, 1)
    eventually(lambda: len(entered) == 1)
    followers = [threads.submit(batcher.submit, item) for item in (2, 3)]
    eventually(lambda: len(batcher._queue) == 2)
    gates[0].set()
    eventually(lambda: len(entered) == 2)
    led, taken_along = (followers[0], followers[1]) if entered[1][0] == 2 else followers[::-1]
    with pytest.raises(NoAnswer):
        taken_along.result()
    gates[1].set()
    assert first.result() == 10
    assert led.result() == entered[1][0] * 10


def test_many_threads_lose_nothing(threads: ThreadPoolExecutor) -> None:
    def write(items: Sequence[int]) -> list[int]:
        return [-item for item in items]

    batcher: WriteBatcher[int, int] = WriteBatcher(write, 7, 2, 10)
    assert list(threads.map(batcher.submit, range(20_000))) == [-item for item in range(20_000)]
