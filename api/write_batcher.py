"""Group commit with no timer and no thread of its own.

Whoever comes while nothing is being written becomes leader and writes at once, alone if nobody
else is there: no delay when idle. Those who come while it writes form the next batch, whose leader
is the first of them: the busier it is, the larger the batches.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class NotReached(Exception):
    """The item was in the queue for too long: it was withdrawn and nothing was done."""


class NoAnswer(Exception):
    """The item's batch was being written at the deadline: what became of it is not known."""


class _Entry(Generic[Item, Result]):
    __slots__ = ("error", "is_leader", "item", "result", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.is_leader = False
        self.woken = Lock()
        self.woken.acquire()

    def outcome(self) -> Result:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # set before anybody is woken


class WriteBatcher(Generic[Item, Result]):
    """Turns calls of many threads into calls of `write` with many items.

    write: takes the items of a batch and returns a result for each, in order; what it raises, every
    caller of that batch raises. batch_size: most items of a batch. batches_in_flight: most batches
    written at once. deadline_seconds: longest that a caller waits for others; who is in the queue
    still after half of it is withdrawn, because leading a batch takes time too.
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
        self._free_leads = batches_in_flight
        self._deadline_seconds = deadline_seconds
        self._queue: deque[_Entry[Item, Result]] = deque()
        self._lock = Lock()

    def submit(self, item: Item) -> Result:
        """Have it written in some batch. Raises NotReached, NoAnswer, or what `write` raises."""
        entry: _Entry[Item, Result] = _Entry(item)
        with self._lock:
            if self._free_leads:
                self._free_leads -= 1
                entry.is_leader = True
            else:
                self._queue.append(entry)
        if not entry.is_leader:
            self._wait(entry)
        if entry.is_leader:
            self._lead(entry)
        return entry.outcome()

    def _wait(self, entry: _Entry[Item, Result]) -> None:
        half = self._deadline_seconds / 2
        if entry.woken.acquire(timeout=half):
            return
        with self._lock:
            if entry in self._queue:
                self._queue.remove(entry)
                raise NotReached
        # It left the queue: as leader of the next batch, which it must not let down, or in one.
        if not entry.woken.acquire(timeout=half):
            raise NoAnswer

    def _lead(self, leader: _Entry[Item, Result]) -> None:
        batch = [leader]
        with self._lock:
            while self._queue and len(batch) < self._batch_size:
                batch.append(self._queue.popleft())
        try:
            results = self._write([entry.item for entry in batch])
            for entry, result in zip(batch, results, strict=True):
                entry.result = result
        except BaseException as error:
            for entry in batch:
                entry.error = error
        self._hand_over()
        for entry in batch[1:]:
            entry.woken.release()

    def _hand_over(self) -> None:
        with self._lock:
            if not self._queue:
                self._free_leads += 1
                return
            successor = self._queue.popleft()
            successor.is_leader = True
            successor.woken.release()
