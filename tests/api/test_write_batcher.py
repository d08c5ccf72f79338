"""Group commit: what is written together, and what everybody hears."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from threading import Event, Lock

import pytest

from api import write_batcher
from api.write_batcher import NoAnswer, NotReached, WriteBatcher
from coupons.waiting import eventually
from tests.support.serving import running_loop

Loop = asyncio.AbstractEventLoop
Batcher = WriteBatcher[int, int]


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
def loop() -> Iterator[Loop]:
    with running_loop() as loop:
        yield loop


@pytest.fixture
def writes() -> Iterator[Writes]:
    writes = Writes()
    yield writes
    writes.may_end.set()


def batcher_of(
    writes: Writes, size: int = 100, at_once: int = 1, deadline: float = 10, full_after: float = 10
) -> Batcher:
    return WriteBatcher(writes, size, at_once, deadline, full_after)


def submit(loop: Loop, batcher: Batcher, items: Sequence[int]) -> list[Future[int]]:
    """Submit all in one turn of the loop."""

    async def begin() -> list[Future[int]]:
        return [asyncio.run_coroutine_threadsafe(told(item), loop) for item in items]

    async def told(item: int) -> int:
        return await batcher.submit(item)

    return asyncio.run_coroutine_threadsafe(begin(), loop).result()


def submit_while_one_writes(
    loop: Loop, batcher: Batcher, writes: Writes, items: Sequence[int]
) -> list[Future[int]]:
    """Submit the first item, and the others once its write has begun; returns when all wait."""
    first = submit(loop, batcher, items[:1])
    eventually(lambda: len(writes.batches) == 1)
    others = submit(loop, batcher, items[1:])
    eventually(lambda: len(batcher._queue) == len(items) - 1)
    return first + others


def test_alone_it_is_written_at_once_and_alone(loop: Loop, writes: Writes) -> None:
    writes.may_end.set()
    [told] = submit(loop, batcher_of(writes), [4])
    assert told.result(60) == 40
    assert writes.batches == [[4]]


def test_those_who_come_together_are_written_together(loop: Loop, writes: Writes) -> None:
    writes.may_end.set()
    told = submit(loop, batcher_of(writes), [1, 2, 3])
    assert [each.result(60) for each in told] == [10, 20, 30]
    assert writes.batches == [[1, 2, 3]]


def test_those_who_come_during_a_write_form_the_next_batch(loop: Loop, writes: Writes) -> None:
    told = submit_while_one_writes(loop, batcher_of(writes), writes, range(20))
    writes.may_end.set()
    assert [each.result(60) for each in told] == [item * 10 for item in range(20)]
    assert [len(batch) for batch in writes.batches] == [1, 19]


def test_batches_are_bounded(loop: Loop, writes: Writes) -> None:
    told = submit_while_one_writes(loop, batcher_of(writes, size=8), writes, range(20))
    writes.may_end.set()
    assert [each.result(60) for each in told] == [item * 10 for item in range(20)]
    assert [len(batch) for batch in writes.batches] == [1, 8, 8, 3]


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_batches_are_written_at_once_than_may(
    loop: Loop, writes: Writes, at_once: int
) -> None:
    told = submit(loop, batcher_of(writes, size=1, at_once=at_once), range(30))
    eventually(lambda: len(writes.batches) == at_once)
    writes.may_end.set()
    assert [each.result(60) for each in told] == [item * 10 for item in range(30)]
    assert writes.most_at_once == at_once


def test_an_error_reaches_everybody_of_the_batch_and_nobody_else(
    loop: Loop, writes: Writes
) -> None:
    batcher = batcher_of(writes)
    first, *others = submit_while_one_writes(loop, batcher, writes, [1, 2, -3, 4])
    writes.may_end.set()
    assert first.result(60) == 10
    for each in others:
        with pytest.raises(ValueError, match="cannot write"):
            each.result(60)
    assert submit(loop, batcher, [5])[0].result(60) == 50


def pass_time(loop: Loop, seconds: float) -> None:
    """The loop's clock is set forward: what is due by then happens at once."""
    real = loop.time

    def jump() -> None:
        loop.time = lambda: real() + seconds  # type: ignore[method-assign]

    loop.call_soon_threadsafe(jump)


def test_who_is_not_reached_in_time_is_withdrawn(loop: Loop, writes: Writes) -> None:
    batcher = batcher_of(writes, deadline=200)
    first, second = submit_while_one_writes(loop, batcher, writes, [1, 2])
    pass_time(loop, 101)
    with pytest.raises(NotReached):
        second.result(60)
    writes.may_end.set()
    assert first.result(60) == 10
    assert submit(loop, batcher, [3])[0].result(60) == 30
    assert writes.batches == [[1], [3]]


def test_whose_batch_takes_too_long_hears_that_it_is_not_known(loop: Loop, writes: Writes) -> None:
    batcher = batcher_of(writes, deadline=200)
    led = submit(loop, batcher, [1, 2])
    eventually(lambda: writes.batches, what="they are being written")
    pass_time(loop, 201)
    for each in led:
        with pytest.raises(NoAnswer):
            each.result(60)
    assert writes.batches == [[1, 2]]
    writes.may_end.set()
    assert submit(loop, batcher, [3])[0].result(60) == 30


def test_a_write_that_forgets_somebody_leaves_nobody_waiting(loop: Loop) -> None:
    batcher: Batcher = WriteBatcher(lambda items: list(items)[1:], 100, 1, 10, 10)
    for each in submit(loop, batcher, [1, 2, 3]):
        with pytest.raises(ValueError, match="2 results for 3 items"):
            each.result(60)


def test_many_at_once_lose_nothing(loop: Loop) -> None:
    batcher: Batcher = WriteBatcher(lambda items: [-item for item in items], 7, 2, 60, 60)
    told = submit(loop, batcher, range(20_000))
    assert [each.result(60) for each in told] == [-item for item in range(20_000)]


def is_full(loop: Loop, batcher: Batcher) -> bool:
    async def ask() -> bool:
        return batcher.is_full

    return asyncio.run_coroutine_threadsafe(ask(), loop).result()


@pytest.fixture
def fewest_when_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_batcher, "FEWEST_WHEN_FULL", 3)


@pytest.mark.usefixtures("fewest_when_full")
def test_a_batch_that_waits_for_too_long_makes_it_full(loop: Loop, writes: Writes) -> None:
    batcher = batcher_of(writes, size=3, full_after=0.05)
    written = submit_while_one_writes(loop, batcher, writes, [1, 2, 3, 4])
    eventually(lambda: is_full(loop, batcher))
    writes.may_end.set()
    assert [each.result(10) for each in written] == [10, 20, 30, 40]
    assert not is_full(loop, batcher)


@pytest.mark.usefixtures("fewest_when_full")
@pytest.mark.parametrize("size", [1, 3])
def test_few_items_that_wait_for_long_do_not_make_it_full(
    loop: Loop, writes: Writes, size: int
) -> None:
    batcher = batcher_of(writes, size, full_after=0.001)
    submit_while_one_writes(loop, batcher, writes, [1, 2, 3])
    eventually(lambda: loop.time() - batcher._queue[0].came_at > 0.05)
    assert not is_full(loop, batcher)


@pytest.mark.usefixtures("fewest_when_full")
def test_many_items_that_have_just_come_do_not_make_it_full(loop: Loop, writes: Writes) -> None:
    batcher = batcher_of(writes, size=3, full_after=60)
    submit_while_one_writes(loop, batcher, writes, [1, 2, 3, 4, 5, 6, 7])
    assert not is_full(loop, batcher)


def test_a_batch_without_a_thread_fails_and_the_next_one_is_written(
    loop: Loop, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = batcher_of(writes)
    writes.may_end.set()

    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(batcher._threads, "submit", no_thread)
        [failed] = submit(loop, batcher, [1])
        with pytest.raises(RuntimeError, match="can't start new thread"):
            failed.result(10)
    assert submit(loop, batcher, [2])[0].result(10) == 20
