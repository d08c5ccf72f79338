"""How fast the stock of each live coupon is taken, from the monitor's answers."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from operations.top.reading import Document

RATE_SECONDS = 20.0
"""Rates are measured over so long, in seconds, as those of the monitor."""


class _Point(NamedTuple):
    at: datetime
    taken: Mapping[str, int]


class StockRates:
    """The rates between the oldest and the newest answer of the last RATE_SECONDS."""

    def __init__(self) -> None:
        self._points: deque[_Point] = deque()

    def note(self, state: Document) -> dict[str, float]:
        """By coupon id: what is taken a second. A coupon is absent until its rate is known.

        An increase of the stock is not negative: what is taken is the stock less what is left.
        """
        redis = state["sources"]["redis"]
        if not redis["known"]:
            self._points.clear()
            return {}
        at = datetime.fromisoformat(redis["read_at"])
        taken = {
            each["coupon_id"]: each["stock"] - each["left"]
            for each in state["coupons"]
            if each["left"] is not None
        }
        points = self._points
        if points and at < points[-1].at:
            points.clear()  # the clock was set back
        if not points or at > points[-1].at:
            points.append(_Point(at, taken))
        while (at - points[0].at).total_seconds() > RATE_SECONDS:
            points.popleft()
        return self._rates()

    def _rates(self) -> dict[str, float]:
        first, last = self._points[0], self._points[-1]
        seconds = (last.at - first.at).total_seconds()
        return {
            coupon_id: (taken - first.taken[coupon_id]) / seconds
            for coupon_id, taken in last.taken.items()
            if seconds and coupon_id in first.taken
        }
