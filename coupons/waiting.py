"""Waiting for a condition with a deadline, in the product and in tests."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from coupons.errors import CouponError

T = TypeVar("T")
_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5


def attempts(within_s: float, pause_s: float = _PAUSE_S) -> Iterator[None]:
    """One turn for each attempt until the deadline; the first comes at once.

    The caller returns or breaks when its condition holds. After the loop the deadline has passed.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        yield
        time.sleep(pause_s)


def eventually(condition: Callable[[], T], within_s: float = 10.0, what: str = "") -> T:
    """For tests: return the first truthy answer of `condition`.

    An AssertionError, an OSError or an error of this project counts as "not yet": a busy server may
    miss one answer. After a condition that takes long, such as a command, comes a pause as long, of
    half a second at most: the processor is left to what is waited for. It is asked once more after
    the deadline, because this process may have stood still until then. Raises AssertionError when
    that has no answer either.
    """
    deadline = time.monotonic() + within_s
    while True:
        asked = time.monotonic()
        last: object
        try:
            if answer := condition():
                return answer
            last = answer
        except (AssertionError, OSError, CouponError) as error:
            last = error
        if asked >= deadline:
            raise AssertionError(f"not within {within_s} s: {what or condition}; last: {last!r}")
        time.sleep(_PAUSE_S + min(time.monotonic() - asked, _LONGEST_PAUSE_S))
