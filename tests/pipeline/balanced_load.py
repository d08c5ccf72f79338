"""Users who claim at several APIs, as behind a load balancer; every response is kept."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from threading import Condition, Event

from chaos.callers import Caller, meanwhile
from chaos.history import Response

PAUSE_SECONDS = 0.02
SHARE_AGAIN = 0.2
"""So many claims are repeated at once, at any API."""
DRAINED_WITHIN_SECONDS = 20


class BalancedLoad:
    """New users claim a coupon, each at one of the APIs that are in service.

    first: the responses to the first claim of each user. again: to claims that were repeated.
    """

    def __init__(self, jwt_key: str, coupon_id: int) -> None:
        self.coupon_id = coupon_id
        self.first: list[Response] = []
        self.again: list[Response] = []
        self._jwt_key = jwt_key
        self._users = count(1)
        self._in_service: list[str] = []
        self._in_flight: Counter[str] = Counter()
        self._changed = Condition()

    def add(self, url: str) -> None:
        """Put an API into service."""
        with self._changed:
            self._in_service.append(url)

    def remove(self, url: str) -> None:
        """Take an API out of service; return when it has answered all its claims."""
        with self._changed:
            self._in_service.remove(url)
            drained = self._changed.wait_for(
                lambda: not self._in_flight[url], DRAINED_WITHIN_SECONDS
            )
        assert drained, f"{url} does not answer"

    @contextmanager
    def claiming(self, threads: int) -> Iterator[None]:
        """Claim while the block runs."""
        with meanwhile([self._claim] * threads):
            yield

    def _claim(self, stop: Event) -> None:
        while not stop.wait(PAUSE_SECONDS):
            user = next(self._users)
            self.first.append(self._claim_once(user))
            if random.random() < SHARE_AGAIN:
                self.again.append(self._claim_once(user))

    def _claim_once(self, user: int) -> Response:
        with self._at_one() as url, closing(Caller(url, self._jwt_key)) as caller:
            return caller.claim(self.coupon_id, user)

    @contextmanager
    def _at_one(self) -> Iterator[str]:
        with self._changed:
            url = random.choice(self._in_service)
            self._in_flight[url] += 1
        try:
            yield url
        finally:
            with self._changed:
                self._in_flight[url] -= 1
                self._changed.notify_all()
