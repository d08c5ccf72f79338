"""Waiting for a condition with a deadline, in the product and in tests."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
_LONGEST_PAUSE_S = 0.5


def attempts(within_s: float, pause_s: float = 0.02) -> Iterator[None]:
    """One turn for each attempt until the deadline; the first comes at once.

    The caller returns or breaks when its condition holds. After the loop the deadline has passed.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        yield
        time.sleep(pause_s)


def eventually(condition: Callable[[], T], within_s: float = 10.0, what: str = "") -> T:
    """For tests: return the first truthy answer of `condition`.

    An AssertionError or OSError of the condition counts as "not yet". After a condition that takes
    long, such as a command, comes a pause as long, of half a second at most: the processor is left
    to what is waited for. Raises AssertionError when the deadline passes without an answer.
    """
    last: object = None
    for _ in attempts(within_s):
        asked = time.monotonic()
        try:
            if answer := condition():
                return answer
            last = answer
        except (AssertionError, OSError) as error:
            last = error
        time.sleep(min(time.monotonic() - asked, _LONGEST_PAUSE_S))
    raise AssertionError(f"not within {within_s} s: {what or condition}; last: {last!r}")
