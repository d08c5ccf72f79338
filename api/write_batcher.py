"""Group commit with no timer: batches form while the one before is written.

Whoever comes while nothing is being written starts a batch at once, alone or with those who came in
the same turn of the event loop: no delay when idle. Those who come while it is written form the
next one: the busier it is, the larger the batches.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class NotReached(Exception):
    """The item was in the queue for too long: it was withdrawn and nothing was done."""


class NoAnswer(Exception):
    """The item's batch was being written at the deadline: what became of it is not known."""


class _Entry(NamedTuple, Generic[Item, Result]):
    item: Item
    came_at: float
    told: "asyncio.Future[Result]"


class WriteBatcher(Generic[Item, Result]):
    """Turns many calls of `submit` into calls of `write` with many items.

    `submit` is called in one event loop, to which all the state belongs; only `write` runs in
    threads. write: takes the items of a batch and returns a result for each, in order; what it
    raises, everybody of that batch hears. batch_size: most items of a batch. batches_in_flight:
    most batches written at once. deadline_seconds: longest that somebody waits; who is in the queue
    still after half of it is withdrawn, because being written takes time too.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Sequence[Result]],
        batch_size: int,
        batches_in_flight: int,
        deadline_seconds: float,
    ) -> None:
        self._write = write
        self._batch_size = batch_size
        self._free = batches_in_flight
        self._deadline_seconds = deadline_seconds
        self._threads = ThreadPoolExecutor(batches_in_flight, "write")
        self._queue: deque[_Entry[Item, Result]] = deque()
        self._watching = False

    def submit(self, item: Item) -> "asyncio.Future[Result]":
        """Have it written in some batch. It ends in NotReached, NoAnswer or what `write` raised."""
        loop = asyncio.get_running_loop()
        entry: _Entry[Item, Result] = _Entry(item, loop.time(), loop.create_future())
        self._queue.append(entry)
        if self._free:
            self._free -= 1
            loop.call_soon(self._write_next, loop)
        elif not self._watching:
            self._watching = True
            self._tell_late(loop, self._queue, self._deadline_seconds / 2, NotReached)
        return entry.told

    def _write_next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_size))]
        if not batch:
            self._free += 1
            return
        waiting = deque(batch)
        self._tell_late(loop, waiting, self._deadline_seconds, NoAnswer)
        writing = loop.run_in_executor(self._threads, self._write, [each.item for each in batch])
        writing.add_done_callback(partial(self._written, loop, batch, waiting))

    def _written(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[_Entry[Item, Result]],
        waiting: deque[_Entry[Item, Result]],
        writing: "asyncio.Future[Sequence[Result]]",
    ) -> None:
        waiting.clear()
        self._write_next(loop)
        error = writing.exception()
        if error is None and len(writing.result()) != len(batch):
            error = ValueError(f"{len(writing.result())} results for {len(batch)} items")
        if error is not None:
            _tell_all(batch, error)
            return
        for entry, result in zip(batch, writing.result(), strict=True):
            if not entry.told.done():
                entry.told.set_result(result)

    def _tell_late(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: deque[_Entry[Item, Result]],
        patience_seconds: float,
        error: type[Exception],
    ) -> None:
        """Take those out who wait for too long, and look again when the next may be late."""
        late = loop.time() - patience_seconds
        while waiting and waiting[0].came_at <= late:
            _tell_all([waiting.popleft()], error())
        if waiting:
            next_late = waiting[0].came_at + patience_seconds
            loop.call_at(next_late, self._tell_late, loop, waiting, patience_seconds, error)
        elif waiting is self._queue:
            self._watching = False


def _tell_all(batch: Sequence[_Entry[Item, Result]], error: BaseException) -> None:
    for entry in batch:
        if not entry.told.done():
            entry.told.set_exception(error)
