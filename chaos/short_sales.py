"""Short sales: small coupons that are claimed, closed and archived, and users who are erased.

Each has users of its own, who claim nothing else: what is left of them at the end is known.
"""

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from threading import Event

from chaos.callers import Caller, meanwhile
from chaos.history import FAILED, History, Response, Sale
from chaos.insisting import NotAnswered, insist, repeat
from coupons.ids import request_id

FIRST_USER = 1_000_000
"""Far from those of other callers."""
QUANTITY, USERS = 5, 8
ERASED = 2
ARCHIVES = 0.7
"""Share of sales. The others are closed, and stay at the gate."""
PAUSE_SECONDS = 0.2


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
        insist(caller, "POST", f"{path}/close")
        archives, erases_first = (self._rng.random() < share for share in (ARCHIVES, 0.5))
        leaving = self._rng.sample(sale.accepted, min(ERASED, len(sale.accepted)))
        if erases_first:
            self._erase(caller, sale, leaving)
        if archives:
            insist(caller, "POST", f"{path}/archive")
            sale.archived = True
            self._ask_again(caller, sale, [each for each in sale.claims if each not in leaving])
        if not erases_first:
            self._erase(caller, sale, leaving)

    def _erase(self, caller: Caller, sale: Sale, users: list[int]) -> None:
        for user_id in users:
            insist(caller, "POST", f"/users/{user_id}/erasures")
            sale.erased.add(user_id)

    def _ask_again(self, caller: Caller, sale: Sale, users: list[int]) -> None:
        """Those who stay read their requests and claim again; somebody else claims."""
        for user_id in users:
            sale.again[user_id] = _claim(caller, sale.coupon_id, user_id)
            if user_id in sale.accepted:
                path = f"/issue-requests/{request_id(sale.coupon_id, user_id)}"
                found = insist(caller, "GET", path, user_id, "coupon:issue")
                sale.read[user_id] = str(found.get("status"))
        newcomer = next(self._users)
        sale.again[newcomer] = _claim(caller, sale.coupon_id, newcomer)


def _claim(caller: Caller, coupon_id: int, user_id: int) -> Response:
    """Claim until it is answered."""

    def once() -> Response | None:
        response = caller.claim(coupon_id, user_id)
        return None if response.status in FAILED else response

    return repeat(once, f"claim of user {user_id} on coupon {coupon_id}")
