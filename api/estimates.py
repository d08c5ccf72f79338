"""For who waits: how many requests are before theirs, and in how many seconds it may be final."""

from math import ceil
from typing import NamedTuple

from api.final_rates import FinalRates
from api.statuses import Key
from coupons.errors import RedisUnavailable
from coupons.gate import Gate
from coupons.gate.progress import read_progress


class Estimate(NamedTuple):
    """ahead: requests of the coupon that were admitted before and are not final.

    seconds: until it may be final, at the measured rate; None: no rate is measured.
    """

    ahead: int
    seconds: int | None


class Estimates:
    """Safe to share between threads."""

    def __init__(self, gate: Gate, rates: FinalRates) -> None:
        self._gate = gate
        self._rates = rates

    def of(self, key: Key) -> Estimate | None:
        """Of a request, by one call of the gate. None: not known, or it is final meanwhile."""
        coupon_id, user_id = key
        try:
            progress = read_progress(self._gate, coupon_id, user_id)
        except RedisUnavailable:
            return None
        if progress is None:
            return None
        rate = self._rates.note(coupon_id, progress.epoch, progress.final)
        if progress.ahead is None:
            return None
        return Estimate(progress.ahead, None if rate is None else ceil((progress.ahead + 1) / rate))
