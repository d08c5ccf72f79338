"""Calls that are repeated until they are answered."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from chaos.callers import ACKNOWLEDGED_WITHIN_SECONDS, Caller
from chaos.history import FAILED
from coupons.waiting import attempts

T = TypeVar("T")

PAUSE_SECONDS = 0.2
ANSWERED_WITHIN_SECONDS = ACKNOWLEDGED_WITHIN_SECONDS
_PASSING = ("in-flight", "user-in-flight")
"""Refusals that end when the requests are final."""


class NotAnswered(Exception):
    """A call that may be repeated for ever was not answered in time."""


def insist(
    caller: Caller,
    method: str,
    path: str,
    user_id: int = 1,
    scope: str = "coupon:admin",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Call until it is done; return the body. Raises NotAnswered, or AssertionError: refused."""
    refused = ""

    def once() -> dict[str, Any] | None:
        nonlocal refused
        status, _, answer = caller.call_once(method, path, user_id, scope, body, headers)
        kind = str(answer.get("type", "")).rpartition(":")[2]
        refused = f"{status} {kind}"
        done = status in (200, 201, 202)
        assert done or status in FAILED or kind in _PASSING, f"{method} {path}: {refused}"
        # 202: it is in the ledger, and not yet at the gate.
        return answer if done else None

    return repeat(once, f"{method} {path}")


def repeat(once: Callable[[], T | None], what: str) -> T:
    """Repeat it until it returns something. Raises NotAnswered."""
    for _ in attempts(ANSWERED_WITHIN_SECONDS, PAUSE_SECONDS):
        if (answer := once()) is not None:
            return answer
    raise NotAnswered(f"{what} was not answered within {ANSWERED_WITHIN_SECONDS:.0f} s")
