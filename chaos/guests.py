"""The guests: a coupon that is open to a list, which is replaced again and again."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from threading import Event

from chaos.admissions import UserList
from chaos.callers import Caller, meanwhile
from chaos.history import FAILED, History, Response, Stock
from chaos.insisting import NotAnswered, insist, repeat

TOTAL = 100_000
FIRST_USER = 5_000_000_000
WINDOW = 40
"""Users who claim at a time; about half of them are listed."""
MOVES_BY = 10
"""Users who give way to others with each list."""
EVERYBODY = 0.15
"""Share of lists that are taken away instead of replaced."""
PAUSE_SECONDS = 0.06
REPLACED_AFTER_SECONDS = 2.0


class Guests:
    """One coupon, an administrator who replaces its list, and users. complaints: of late answers.

    Who is refused claims again, under this list or another one; so does who has a request.
    """

    def __init__(self, caller: tuple[str, str], history: History, seed: str) -> None:
        self._caller = caller
        self._history = history
        self._rng = random.Random(f"{seed}/lists")
        self._seed = f"{seed}/guests"
        self._first = FIRST_USER
        self.complaints: list[str] = []
        with closing(Caller(*caller)) as one:
            self._coupon_id = one.create_coupon(TOTAL)
            self._replace(one)
        history.stocks[self._coupon_id] = [Stock(TOTAL, 0.0, 0.0)]

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Claim and replace while the block runs. The last list is brought to its end."""
        with meanwhile([self._claim, self._administer]):
            yield

    def check(self) -> str:
        """A complaint when nobody was admitted by a list, or nobody refused by one."""
        ours = [each for each in self._history.responses if each.coupon_id == self._coupon_id]
        if not any(each.accepted for each in ours):
            return "nobody was admitted by a list"
        return "" if any(map(is_refused, ours)) else "nobody was refused by a list"

    def _claim(self, stop: Event) -> None:
        rng = random.Random(self._seed)
        with closing(Caller(*self._caller)) as caller:
            while not stop.wait(PAUSE_SECONDS):
                user_id = self._first + rng.randrange(WINDOW)
                self._history.add([caller.claim(self._coupon_id, user_id)])

    def _administer(self, stop: Event) -> None:
        with closing(Caller(*self._caller)) as caller:
            while not stop.wait(REPLACED_AFTER_SECONDS):
                self._first += MOVES_BY
                try:
                    self._replace(caller)
                except (NotAnswered, AssertionError) as error:
                    self.complaints.append(f"a list of users: {error}")
                    return  # what is in force is not known any more

    def _replace(self, caller: Caller) -> None:
        """Set another list, or none, and return when claims are decided by it."""
        audience = f"/coupons/{self._coupon_id}/audience"
        if self._history.lists and self._rng.random() < EVERYBODY:
            self._set(caller, None, partial(insist, caller, "DELETE", audience))
            return
        window = range(self._first, self._first + WINDOW)
        users = frozenset(self._rng.sample(window, WINDOW // 2))
        finish = f"{self._upload(caller, users)}/finish"
        self._set(caller, users, partial(insist, caller, "POST", finish))

    def _upload(self, caller: Caller, users: frozenset[int]) -> str:
        """Begin uploads until one is taken, of which nobody notices anything; its path."""
        uploads = f"/coupons/{self._coupon_id}/audience-uploads"
        file = "".join(f"{user_id}\n" for user_id in sorted(users)).encode()
        headers = {"Content-Type": "text/plain", "Upload-Offset": "0"}

        def once() -> str | None:
            path = f"{uploads}/{insist(caller, 'POST', uploads)['id']}"
            status = caller.call_once("PATCH", path, 1, "coupon:admin", file, headers)[0]
            return path if status == 200 else None

        return repeat(once, f"upload of a list for coupon {self._coupon_id}")

    def _set(
        self, caller: Caller, users: frozenset[int] | None, change: Callable[[], object]
    ) -> None:
        each = UserList(self._coupon_id, users, time.monotonic(), time.time())
        self._history.lists.append(each)
        change()
        audience = f"/coupons/{self._coupon_id}/audience"

        def is_effective() -> bool | None:
            return insist(caller, "GET", audience)["is_effective"] or None

        repeat(is_effective, f"the list of coupon {self._coupon_id}, which is set,")
        each.ended, each.ended_at = time.monotonic(), time.time()


def is_refused(response: Response) -> bool:
    """Whether it was refused because the user is not on the list."""
    return response.reason in ("not_eligible", "not-eligible") and response.status not in FAILED
