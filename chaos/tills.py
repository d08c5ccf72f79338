"""The tills: a few threads that use issued coupons, cancel some of the uses, and revoke some."""

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from threading import Event

from chaos.callers import Caller, meanwhile
from chaos.history import ChangeCall, History, Key

PAUSE_SECONDS = 0.1
SHARED = 6
"""Issued coupons that all tills use at the same time."""
TAKES_ANOTHER = 0.3
CANCELS = 0.6
REVOKES = 0.1


class Tills:
    """Threads that change issued coupons; the history gets the responses.

    All work on the same few coupons, each for orders of its own, and take newly issued ones in
    their stead again and again. A call whose outcome is unknown is repeated until it is known.
    """

    def __init__(self, caller: tuple[str, str], history: History, seed: str) -> None:
        self._caller = caller
        self._history = history
        self._seed = seed
        self._shared: list[Key] = []

    @contextmanager
    def working(self, threads: int) -> Iterator[None]:
        """Use, cancel and revoke while the block runs."""
        names = [f"{self._seed}/till-{number}" for number in range(threads)]
        with meanwhile([partial(self._work, name) for name in names]):
            yield

    def check(self) -> str:
        """A complaint when no call was answered with 200: then nothing was seen of any change."""
        served = any(call.done for call in self._history.changes)
        return "" if served else "no till changed an issued coupon"

    def _work(self, name: str, stop: Event) -> None:
        rng = random.Random(name)
        with closing(Caller(*self._caller)) as caller:
            for number in count(1):
                if stop.wait(PAUSE_SECONDS):
                    break
                key = self._choose(rng)
                if key is not None:
                    self._serve(caller, key, f"{name}/{number}", rng, stop)

    def _choose(self, rng: random.Random) -> Key | None:
        """One of those that all tills use; now and then another one is put among them."""
        if (len(self._shared) < SHARED or rng.random() < TAKES_ANOTHER) and (
            another := self._history.recently_accepted(rng)
        ):
            self._shared = [*self._shared, another][-SHARED:]
        return rng.choice(self._shared) if self._shared else None

    def _serve(
        self, caller: Caller, key: Key, reference: str, rng: random.Random, stop: Event
    ) -> None:
        """An order uses the coupon; it is cancelled later, or staff revokes the coupon."""
        if rng.random() < REVOKES:
            self._change(caller, key, "revoke", reference, stop)
            return
        calls = self._change(caller, key, "use", reference, stop)
        if calls[-1].done and rng.random() < CANCELS:
            self._change(caller, key, "cancel-use", reference, stop)

    def _change(
        self, caller: Caller, key: Key, wanted: str, reference: str, stop: Event
    ) -> list[ChangeCall]:
        """Call until the outcome is known; return the calls."""
        calls: list[ChangeCall] = []
        while not calls or (calls[-1].unknown and not stop.wait(PAUSE_SECONDS)):
            calls.append(caller.change(key, wanted, reference))
            self._history.add_change(calls[-1])
        return calls
