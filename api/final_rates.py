"""How fast the requests of each coupon become final, measured from what this process reads."""

from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import NamedTuple

LEAST_SECONDS = 1.0
"""A rate is measured over at least this time; over a shorter one it would be chance."""
USUAL_SECONDS = 5.0
"""And over this time, where something was read so long ago."""
LONGEST_SECONDS = 30.0
"""What was read earlier says nothing of now. As long as the longest wait of a client."""
SECONDS_BETWEEN = 0.5
MOST_COUPONS = 1_000
"""Beyond this, those of which nothing was read for the longest time are forgotten."""


class _Reading(NamedTuple):
    at: float
    final: int


class _Readings(NamedTuple):
    epoch: int
    kept: deque[_Reading]


class FinalRates:
    """Safe to share between threads. clock: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._of_coupons: OrderedDict[int, _Readings] = OrderedDict()

    def note(self, coupon_id: int, epoch: int, final: int) -> float | None:
        """Note how many requests of a coupon are final now; return how many become so a second.

        None: no rate is measured, because nothing was read before, or nothing became final.
        epoch: the gate's; counts of two epochs are not compared.
        """
        with self._lock:
            now = _Reading(self._clock(), final)
            kept = self._kept(coupon_id, epoch)
            while kept and (now.at - kept[0].at > LONGEST_SECONDS or kept[0].final > final):
                kept.popleft()
            before = _to_compare_with(kept, now.at)
            if not kept or now.at - kept[-1].at >= SECONDS_BETWEEN:
                kept.append(now)
        if before is None or before.final == final:
            return None
        return (final - before.final) / (now.at - before.at)

    def _kept(self, coupon_id: int, epoch: int) -> deque[_Reading]:
        found = self._of_coupons.get(coupon_id)
        if found is None or found.epoch != epoch:
            found = self._of_coupons[coupon_id] = _Readings(epoch, deque())
        self._of_coupons.move_to_end(coupon_id)
        if len(self._of_coupons) > MOST_COUPONS:
            self._of_coupons.popitem(last=False)
        return found.kept


def _to_compare_with(kept: deque[_Reading], now: float) -> _Reading | None:
    """The last reading that is USUAL_SECONDS old, else the first that is old enough at all."""
    usual = next((each for each in reversed(kept) if now - each.at >= USUAL_SECONDS), None)
    if usual is not None:
        return usual
    return kept[0] if kept and now - kept[0].at >= LEAST_SECONDS else None
