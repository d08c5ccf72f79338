"""What the reconciler remembers between passes."""

import random
import time
from threading import Lock
from typing import NamedTuple

from coupons.gate import GateFigures
from coupons.model import Coupon
from reconciler.failing import FailingCoupons
from reconciler.forgetting import Forgetting

PASSES_OF_DRIFT = 5
"""Marks follow their commit within about a second; a longer difference is compared."""
AFTER_A_COMPARISON_SECONDS = 60.0
"""A coupon is not compared more often than this, also when its counts differ."""


LONGEST_PAUSE_SECONDS = 30.0
"""A coupon that cannot be worked on is tried again after at most so many."""


class _Last(NamedTuple):
    issued: int
    rejected: int
    gate_issued: int
    gate_rejected: int


class Watch:
    """Says which coupons are due for a full comparison. Safe to share between threads.

    compare_every_s: how often each is due anyway, in seconds; 0: never.
    """

    def __init__(self, compare_every_s: float) -> None:
        self.failing = FailingCoupons(1.0, LONGEST_PAUSE_SECONDS)
        """For the thread of the passes only."""
        self.forgetting = Forgetting()
        """For that thread too."""
        self.pending_from_us: dict[int, int] = {}
        """Where the next pass continues in a coupon's pending requests."""
        self._compare_every_s = compare_every_s
        self._last: dict[int, _Last] = {}
        self._drifts: dict[int, int] = {}
        self._compare_at: dict[int, float] = {}
        self._not_before: dict[int, float] = {}
        self._due: dict[int, str] = {}
        self._lock = Lock()

    def note(self, coupon: Coupon, figures: GateFigures) -> None:
        """Note an open coupon's counts: the ledger's, and the gate's read after them."""
        now = time.monotonic()
        with self._lock:
            drifts = self._drifts.get(coupon.coupon_id, 0) + 1
            self._drifts[coupon.coupon_id] = drifts if self._drifted(coupon, figures) else 0
            self._last[coupon.coupon_id] = _Last(
                coupon.issued_count, coupon.rejected_count, figures.issued, figures.rejected
            )
            if now < self._not_before.get(coupon.coupon_id, 0.0):
                return
            if self._drifts[coupon.coupon_id] >= PASSES_OF_DRIFT:
                self._due[coupon.coupon_id] = "drift"
            elif self._compare_every_s and now >= self._routine(coupon.coupon_id, now):
                self._due.setdefault(coupon.coupon_id, "routine")

    def take_due(self) -> tuple[int, str] | None:
        """A coupon to compare now, and why; None when none is due."""
        with self._lock:
            if not self._due:
                return None
            coupon_id = min(self._due, key=lambda each: self._due[each])
            why = self._due.pop(coupon_id)
            now = time.monotonic()
            self._drifts[coupon_id] = 0
            self._not_before[coupon_id] = now + AFTER_A_COMPARISON_SECONDS
            self._compare_at[coupon_id] = now + self._compare_every_s
            return coupon_id, why

    def _drifted(self, coupon: Coupon, figures: GateFigures) -> bool:
        """Whether the gate's counts do not fit the ledger's, or do not add up.

        Either it has fewer final requests than the ledger had at the last pass, or it had more then
        than the ledger has now.
        """
        last = self._last.get(coupon.coupon_id)
        if last is None:
            return False
        behind = figures.issued < last.issued or figures.rejected < last.rejected
        ahead = last.gate_issued > coupon.issued_count or last.gate_rejected > coupon.rejected_count
        return behind or ahead or not figures.balance

    def _routine(self, coupon_id: int, now: float) -> float:
        # Spread after a start, so that not all are compared at once.
        spread = random.uniform(0.0, self._compare_every_s)  # noqa: S311
        return self._compare_at.setdefault(coupon_id, now + spread)
