"""The coupons that cannot be worked on: when each is tried again, and how often that is logged."""

import time
from collections.abc import Iterable

from coupons.backoff import Backoff

LOG_AGAIN_SECONDS = 60.0


class FailingCoupons:
    """The coupons for which the last attempt failed. For one thread.

    Each is tried again after about `first_s` seconds, then twice that, and so on to `longest_s`.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._backoffs: dict[int, Backoff] = {}
        self._try_at: dict[int, float] = {}
        self._logged_at: dict[int, float] = {}

    def failed(self, coupon_id: int) -> bool:
        """Note a failed attempt. Returns whether to log it: a lasting failure once a minute."""
        now = time.monotonic()
        backoff = self._backoffs.setdefault(coupon_id, Backoff(self._first_s, self._longest_s))
        self._try_at[coupon_id] = now + backoff.next_seconds()
        if now < self._logged_at.get(coupon_id, -LOG_AGAIN_SECONDS) + LOG_AGAIN_SECONDS:
            return False
        self._logged_at[coupon_id] = now
        return True

    def worked(self, coupon_id: int) -> None:
        """Note an attempt that did not fail."""
        for notes in (self._backoffs, self._try_at, self._logged_at):
            notes.pop(coupon_id, None)

    def may_try(self, coupon_id: int) -> bool:
        """Whether it is time to work on the coupon."""
        return time.monotonic() >= self._try_at.get(coupon_id, 0.0)

    def __contains__(self, coupon_id: int) -> bool:
        return coupon_id in self._backoffs

    def among(self, coupon_ids: Iterable[int]) -> int:
        """How many of these are failing."""
        return len(self._backoffs.keys() & set(coupon_ids))
