"""Short sales: small coupons that are claimed, closed and archived, and users who are erased.

Each has users of its own, who claim nothing else: what is left of them at the end is known.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from threading import Event
from typing import Any, TypeVar

from chaos.callers import Caller, meanwhile
from chaos.history import FAILED, History, Response, Sale
from coupons.ids import request_id
from coupons.waiting import attempts

T = TypeVar("T")

FIRST_USER = 1_000_000
"""Far from those of other callers."""
QUANTITY, USERS = 5, 8
ERASED = 2
ARCHIVES = 0.7
"""Share of sales. The others are closed, and stay at the gate."""
PAUSE_SECONDS = 0.2
ANSWERED_WITHIN_SECONDS = 240.0
"""Longer than any incident with its recovery."""
_PASSING = ("in-flight", "user-in-flight")
"""Refusals that end when the requests are final."""


class NotAnswered(Exception):
    """A call that may be repeated for ever was not answered in time."""


class ShortSales:
    """Sales, one after the other. complaints: of calls that were not answered in time."""

    def __init__(self, caller: tuple[str, str], history: History, seed: str) -> None:
        self._caller = caller
        self._history = history
        self._rng = random.Random(f"{seed}/short sales")
        self._users = count(FIRST_USER)
        self.complaints: list[str] = []

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Hold sales while the block runs. The last one is held to its end."""
        with meanwhile([self._hold]):
            yield

    def _hold(self, stop: Event) -> None:
        with closing(Caller(*self._caller)) as caller:
            while not stop.wait(PAUSE_SECONDS):
                try:
                    self._hold_one(caller)
                except (NotAnswered, AssertionError) as error:
                    self.complaints.append(f"a short sale: {error}")

    def _hold_one(self, caller: Caller) -> None:
        sale = Sale(caller.create_coupon(QUANTITY), QUANTITY)
        self._history.sales.append(sale)
        for user_id in [next(self._users) for _ in range(USERS)]:
            sale.claims[user_id] = _claim(caller, sale.coupon_id, user_id)
        path = f"/coupons/{sale.coupon_id}"
        _insist(caller, "POST", f"{path}/close")
        archives, erases_first = (self._rng.random() < share for share in (ARCHIVES, 0.5))
        leaving = self._rng.sample(sale.accepted, min(ERASED, len(sale.accepted)))
        if erases_first:
            self._erase(caller, sale, leaving)
        if archives:
            _insist(caller, "POST", f"{path}/archive")
            sale.archived = True
            self._ask_again(caller, sale, [each for each in sale.claims if each not in leaving])
        if not erases_first:
            self._erase(caller, sale, leaving)

    def _erase(self, caller: Caller, sale: Sale, users: list[int]) -> None:
        for user_id in users:
            _insist(caller, "POST", f"/users/{user_id}/erasures")
            sale.erased.add(user_id)

    def _ask_again(self, caller: Caller, sale: Sale, users: list[int]) -> None:
        """Those who stay read their requests and claim again; somebody else claims."""
        for user_id in users:
            sale.again[user_id] = _claim(caller, sale.coupon_id, user_id)
            if user_id in sale.accepted:
                path = f"/issue-requests/{request_id(sale.coupon_id, user_id)}"
                found = _insist(caller, "GET", path, user_id, "coupon:issue")
                sale.read[user_id] = str(found.get("status"))
        newcomer = next(self._users)
        sale.again[newcomer] = _claim(caller, sale.coupon_id, newcomer)


def _claim(caller: Caller, coupon_id: int, user_id: int) -> Response:
    """Claim until it is answered."""

    def once() -> Response | None:
        response = caller.claim(coupon_id, user_id)
        return None if response.status in FAILED else response

    return _repeat(once, f"claim of user {user_id} on coupon {coupon_id}")


def _insist(
    caller: Caller, method: str, path: str, user_id: int = 1, scope: str = "coupon:admin"
) -> dict[str, Any]:
    """Call until it is done; return the body."""
    refused = ""

    def once() -> dict[str, Any] | None:
        nonlocal refused
        status, _, body = caller.call_once(method, path, user_id, scope)
        kind = str(body.get("type", "")).rpartition(":")[2]
        refused = f"{status} {kind}"
        assert status in (200, 202, *FAILED) or kind in _PASSING, f"{method} {path}: {refused}"
        # 202: it is in the ledger, and not yet at the gate.
        return body if status in (200, 202) else None

    return _repeat(once, f"{method} {path}")


def _repeat(once: Callable[[], T | None], what: str) -> T:
    for _ in attempts(ANSWERED_WITHIN_SECONDS, PAUSE_SECONDS):
        if (answer := once()) is not None:
            return answer
    raise NotAnswered(f"{what} was not answered within {ANSWERED_WITHIN_SECONDS:.0f} s")
