"""A rush through the cluster's proxy: everybody claims until there is an answer, and is timed."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic

from coupons.tokens import mint_token
from tests.compose.containers import Containers

ANSWER_SECONDS = 15
GIVE_UP_SECONDS = 240
PAUSE_SECONDS = 0.1


@dataclass
class Rush:
    """Who was accepted when (by `monotonic`), and what else was answered."""

    claims: int
    accepted_at: dict[int, float] = field(default_factory=dict)
    waited: dict[int, float] = field(default_factory=dict)
    otherwise: dict[int | str, int] = field(default_factory=dict)
    enough: threading.Event = field(default_factory=threading.Event)
    """Set it to end the rush before everybody has claimed."""

    def pause_after(self, moment: float) -> float:
        """The longest time after `moment` in which nobody was accepted, in seconds."""
        times = [moment, *sorted(at for at in self.accepted_at.values() if at > moment)]
        return max((later - at for at, later in pairwise(times)), default=0.0)


@contextmanager
def rush(containers: Containers, coupon_id: int, claims: int, threads: int) -> Iterator[Rush]:
    """Users 1 to `claims` claim, from several threads, while the block runs and until all have."""
    told = Rush(claims)
    key = (containers.secrets / "jwt.key").read_text("ascii")
    tokens = {user: mint_token(key, user, ["coupon:issue"], 3600) for user in range(1, claims + 1)}
    claimants = [
        _Claimant(containers.ports["api"], f"/coupons/{coupon_id}/issue-requests", told)
        for _ in range(threads)
    ]

    def one(number: int) -> None:
        for user in range(number + 1, claims + 1, threads):
            if told.enough.is_set():
                return
            claimants[number].claim(user, tokens[user])

    running = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield told
    finally:
        for thread in running:
            thread.join()
        for claimant in claimants:
            claimant.close()


class _Claimant:
    """Claims for one user after the other, over one connection that is made anew when it breaks."""

    def __init__(self, port: int, path: str, told: Rush) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        self._path = path
        self._told = told
        self._pause = threading.Event()

    def claim(self, user: int, token: str) -> None:
        began = monotonic()
        while monotonic() - began < GIVE_UP_SECONDS:
            answer = self._ask(token)
            if answer in (200, 202):
                self._told.accepted_at[user] = monotonic()
                self._told.waited[user] = monotonic() - began
                return
            self._told.otherwise[answer] = self._told.otherwise.get(answer, 0) + 1
            self._pause.wait(PAUSE_SECONDS)

    def close(self) -> None:
        self._connection.close()

    def _ask(self, token: str) -> int | str:
        try:
            headers = {"Authorization": f"Bearer {token}"}
            self._connection.request("POST", self._path, headers=headers)
            answer = self._connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return type(error).__name__
