"""Waiting for a condition with a deadline: no test sleeps for a fixed time."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def attempts(within_s: float, pause_s: float = 0.02) -> Iterator[None]:
    """A turn for each attempt until the deadline, the first at once."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        yield
        time.sleep(pause_s)


def eventually(condition: Callable[[], T], within_s: float = 10.0, what: str = "") -> T:
    """Return the first truthy answer of `condition`; fail when there is none within the deadline.

    An AssertionError or connection failure of the condition counts as "not yet".
    """
    last: object = None
    for _ in attempts(within_s):
        try:
            if answer := condition():
                return answer
            last = answer
        except (AssertionError, OSError) as error:
            last = error
    raise AssertionError(f"not within {within_s} s: {what or condition}; last: {last!r}")
