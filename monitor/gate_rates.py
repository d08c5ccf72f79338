"""How many requests a second are admitted at the gate and marked as final there."""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from coupons.gate import GateFigures

RATE_SECONDS = 20.0
"""Rates are measured over so long, in seconds."""


class GateRate(NamedTuple):
    """Requests a second over all coupons that were read. None: not known yet."""

    admitted_per_s: float | None
    marked_per_s: float | None


class _Point(NamedTuple):
    at_s: float
    admitted: int
    marked: int


class GateRates:
    """Adds up what the counts of each coupon grew by, from one reading to the next."""

    def __init__(self) -> None:
        self._last: Mapping[int, GateFigures | None] = {}
        self._points: deque[_Point] = deque()

    def note(self, at_s: float, figures: Mapping[int, GateFigures | None]) -> GateRate:
        """The rates until `at_s`, in seconds of any clock that does not jump.

        A coupon that was not in the last reading, or that was rebuilt since, counts from now on.
        """
        points = self._points
        admitted, marked = points[-1][1:] if points else (0, 0)
        for coupon_id, now in figures.items():
            before = self._last.get(coupon_id)
            if now and before and now.epoch == before.epoch:
                admitted += max(0, now.admitted - before.admitted)
                marked += max(0, now.issued + now.rejected - before.issued - before.rejected)
        self._last = figures
        points.append(_Point(at_s, admitted, marked))
        while points[0].at_s < at_s - RATE_SECONDS:
            points.popleft()
        seconds = at_s - points[0].at_s
        if not seconds:
            return GateRate(None, None)
        first = points[0]
        return GateRate((admitted - first.admitted) / seconds, (marked - first.marked) / seconds)
