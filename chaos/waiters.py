"""The waiters: users who join the standby list of a coupon that is sold out, while it is raised."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count
from threading import Event

import psycopg

from chaos.callers import Caller, meanwhile
from chaos.history import History, Response, Stock
from chaos.stores import EntryRow
from coupons.waiting import attempts, eventually

TOTAL = 3
RAISE_BY = 1
PAUSE_SECONDS = 0.3
JOINED_A_RAISE = 4
"""More join than are served, so that the line is there all the time."""
FIRST_USER = 7_000_000_000
SERVED_WITHIN_SECONDS = 60.0
SOLD_OUT_WITHIN_SECONDS = 15.0
"""Then it is: a claim whose answer was lost has a row."""

_WAITING = """
SELECT count(*) FROM coupon c WHERE coupon_id = %s AND issued_count < total_quantity
   AND EXISTS (SELECT FROM standby_entry e WHERE e.coupon_id = c.coupon_id AND state = 'waiting')
"""


class Waiters:
    """One coupon of a few, its line, and an administrator who raises its stock."""

    def __init__(self, caller: tuple[str, str], history: History) -> None:
        self._caller = caller
        self._history = history
        self._users = count(FIRST_USER)
        with closing(Caller(*caller)) as one:
            self._coupon_id = one.create_coupon(TOTAL)
            one.give_standby_list(self._coupon_id)
            self._stocks = history.stocks.setdefault(self._coupon_id, [Stock(TOTAL, 0.0, 0.0)])
            history.add(list(self._claims(one)))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Join and raise while the block runs."""
        with meanwhile([self._work]):
            yield

    def check(self) -> str:
        """A complaint when nobody could join: then nothing was seen of any line."""
        return "" if self._history.joined else "nobody joined a standby list"

    def await_served(self, where: Mapping[str, str]) -> str:
        """A complaint when somebody waits for stock that is left."""

        def is_served() -> bool:
            with psycopg.connect(where["COUPON_DATABASE_URL"]) as owner:
                return owner.execute(_WAITING, [self._coupon_id]).fetchone() == (0,)

        try:
            eventually(is_served, SERVED_WITHIN_SECONDS)
        except AssertionError:
            return f"the line of coupon {self._coupon_id} is not served"
        return ""

    def check_promoted(self, entries: Sequence[EntryRow]) -> str:
        """A complaint when nobody was promoted: then no order of a line was seen."""
        served = any(entry.state == "promoted" for entry in entries)
        return "" if served else "nobody was promoted from a standby list"

    def _claims(self, caller: Caller) -> Iterator[Response]:
        """Claims until nothing is left: one that failed has perhaps taken nothing."""
        accepted = 0
        for _ in attempts(SOLD_OUT_WITHIN_SECONDS, PAUSE_SECONDS):
            response = caller.claim(self._coupon_id, next(self._users))
            accepted += response.accepted
            yield response
            if accepted == TOTAL:
                break

    def _next_users(self) -> list[int]:
        return [next(self._users) for _ in range(JOINED_A_RAISE)]

    def _joins(self, caller: Caller, user_id: int) -> bool:
        """Whether the user was answered that they wait."""
        joined = caller.join_line(self._coupon_id, user_id) in (200, 201)
        if joined:
            self._history.joined.append((self._coupon_id, user_id))
        return joined

    def _work(self, stop: Event) -> None:
        with closing(Caller(*self._caller)) as caller:
            while not stop.wait(PAUSE_SECONDS):
                if not [user for user in self._next_users() if self._joins(caller, user)]:
                    continue
                with suppress(AssertionError):  # the next raise includes it
                    raised = self._stocks[-1].total + RAISE_BY
                    self._stocks.append(caller.change_total(self._coupon_id, raised))
