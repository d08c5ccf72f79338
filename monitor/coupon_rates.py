"""How fast each coupon is taken at the gate."""

from collections import deque
from collections.abc import Mapping

from coupons.gate import GateFigures
from monitor.gate_rates import RATE_SECONDS


class CouponRates:
    """Compares the oldest with the newest reading of the last RATE_SECONDS."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, Mapping[int, tuple[int, int]]]] = deque()

    def note(self, at_s: float, figures: Mapping[int, GateFigures | None]) -> dict[int, float]:
        """By coupon id: issued and pending requests more a second, until `at_s`.

        at_s: in seconds of any clock that does not jump. A coupon is absent until its rate is
        known: after it was rebuilt, too.
        """
        now = {
            coupon_id: (found.epoch, found.issued + found.pending)
            for coupon_id, found in figures.items()
            if found
        }
        self._points.append((at_s, now))
        while self._points[0][0] < at_s - RATE_SECONDS:
            self._points.popleft()
        rates = {}
        for coupon_id, (epoch, taken) in now.items():
            began_s, before = self._oldest(coupon_id, epoch)
            if at_s > began_s:
                rates[coupon_id] = max(0, taken - before) / (at_s - began_s)
        return rates

    def _oldest(self, coupon_id: int, epoch: int) -> tuple[float, int]:
        """When the coupon was first read in this epoch, and how many were taken then."""
        for began_s, point in self._points:
            found = point.get(coupon_id)
            if found and found[0] == epoch:
                return began_s, found[1]
        raise AssertionError("the newest point has it")
