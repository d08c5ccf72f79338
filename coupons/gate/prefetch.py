"""Reads ahead in a thread of its own, so that reading and writing run at the same time."""

from collections.abc import Generator, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

_CHECK_SECONDS = 0.1


def read_ahead(items: Iterator[T], ahead: int) -> Generator[T, None, None]:
    """The same items in the same order; at most `ahead` of them are read in advance.

    An error of `items` is raised here, after the items before it. From the first item on until this
    is exhausted or closed, only the other thread uses `items`.
    """
    ready: Queue[tuple[T] | BaseException | None] = Queue(ahead)
    closed = Event()

    def put(entry: tuple[T] | BaseException | None) -> None:
        while not closed.is_set():
            try:
                ready.put(entry, timeout=_CHECK_SECONDS)
            except Full:
                continue
            return

    def read() -> None:
        try:
            for item in items:
                put((item,))
                if closed.is_set():
                    break
            put(None)
        except BaseException as error:
            put(error)
        finally:
            if closed.is_set() and hasattr(items, "close"):
                items.close()

    reader = Thread(target=read, name="read-ahead", daemon=True)
    reader.start()
    try:
        while (entry := ready.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        closed.set()
        reader.join()
