"""Waiting for a condition with a deadline: no test sleeps for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], within_s: float = 10.0, what: str = "") -> T:
    """Return the first truthy answer of `condition`; fail when there is none within the deadline.

    An AssertionError or connection failure of the condition counts as "not yet".
    """
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            if answer := condition():
                return answer
            last = answer
        except (AssertionError, OSError) as error:
            last = error
        time.sleep(0.02)
    raise AssertionError(f"not within {within_s} s: {what or condition}; last: {last!r}")
