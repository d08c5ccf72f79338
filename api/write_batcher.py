"""Group commit with no timer: a batch forms while the one before is written.

An item that comes while nothing is written starts a batch at once, with the items of the same turn
of the event loop: no delay when idle. Items that come while a batch is written form the next one:
the more load, the larger the batches.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

FEWEST_WHEN_FULL = 500
"""So many items wait when the queue is full: where batches are small, a short halt makes more than
a batch wait, though the ledger can carry the load."""


class NotReached(Exception):
    """The item was in the queue for too long: it was removed and nothing was done."""


class NoAnswer(Exception):
    """The item's batch was being written at the deadline: its outcome is unknown."""


class _Entry(NamedTuple, Generic[Item, Result]):
    item: Item
    came_at: float
    future: "asyncio.Future[Result]"


class WriteBatcher(Generic[Item, Result]):
    """Turns many calls of `submit` into calls of `write` with many items.

    `submit` is called in one event loop, which owns all the state; only `write` runs in threads.
    write: takes the items of a batch and returns a result for each, in order; an error that it
    raises is the result of all its items. batch_size: most items of a batch. batches_in_flight:
    most batches written at once. deadline_seconds: longest wait of an item. An item that is still
    in the queue after half of it is removed, because writing takes time too. full_after_seconds:
    see `is_full`.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Sequence[Result]],
        batch_size: int,
        batches_in_flight: int,
        deadline_seconds: float,
        full_after_seconds: float,
    ) -> None:
        self._write = write
        self._batch_size = batch_size
        self._free = batches_in_flight
        self._deadline_seconds = deadline_seconds
        self._full_after_seconds = full_after_seconds
        self._threads = ThreadPoolExecutor(batches_in_flight, "write")
        self._queue: deque[_Entry[Item, Result]] = deque()
        self._watching = False

    @property
    def is_full(self) -> bool:
        """Whether more items come than can be written.

        A full batch waits, or FEWEST_WHEN_FULL items if that is more, and the first one for longer
        than full_after_seconds. A short halt of the ledger under a load that it can carry does not
        fill the queue.
        """
        queue = self._queue
        if len(queue) < max(self._batch_size, FEWEST_WHEN_FULL):
            return False
        return queue[0].came_at < asyncio.get_running_loop().time() - self._full_after_seconds

    def submit(self, item: Item) -> "asyncio.Future[Result]":
        """The item's result in its batch. Raises NotReached, NoAnswer or an error of `write`."""
        loop = asyncio.get_running_loop()
        entry: _Entry[Item, Result] = _Entry(item, loop.time(), loop.create_future())
        self._queue.append(entry)
        if self._free:
            self._free -= 1
            loop.call_soon(self._write_next, loop)
        elif not self._watching:
            self._watching = True
            self._expire(loop, self._queue, self._deadline_seconds / 2, NotReached)
        return entry.future

    def _write_next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_size))]
        if not batch:
            self._free += 1
            return
        try:
            items = [each.item for each in batch]
            writing = loop.run_in_executor(self._threads, self._write, items)
        except RuntimeError as error:  # no thread can be started: the next batch may have one
            self._free += 1
            _fail_all(batch, error)
            return
        waiting = deque(batch)
        self._expire(loop, waiting, self._deadline_seconds, NoAnswer)
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
            _fail_all(batch, error)
            return
        for entry, result in zip(batch, writing.result(), strict=True):
            if not entry.future.done():
                entry.future.set_result(result)

    def _expire(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: deque[_Entry[Item, Result]],
        patience_seconds: float,
        error: type[Exception],
    ) -> None:
        """Fail the entries that wait for too long; check again when the next one may be late."""
        late = loop.time() - patience_seconds
        while waiting and waiting[0].came_at <= late:
            _fail_all([waiting.popleft()], error())
        if waiting:
            next_late = waiting[0].came_at + patience_seconds
            loop.call_at(next_late, self._expire, loop, waiting, patience_seconds, error)
        elif waiting is self._queue:
            self._watching = False


def _fail_all(batch: Sequence[_Entry[Item, Result]], error: BaseException) -> None:
    for entry in batch:
        if not entry.future.done():
            entry.future.set_exception(error)
