"""When coupons open, for those who come too early."""

import asyncio
import logging
from typing import NamedTuple

from coupons.errors import GateUnavailable
from coupons.gate import Gate

log = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
MOST_REMEMBERED = 1_000
ANSWER_SECONDS = 0.5
"""A refusal does not wait longer for what only adds to it: threads may be busy, the gate slow."""


class _Known(NamedTuple):
    asked_at: float
    told: "asyncio.Future[int | None]"


class Openings:
    """Asks the gate when a coupon opens, at most once in FRESH_SECONDS for each coupon.

    Everybody who waits for a coupon comes too early at the same time; they share one answer. All
    the state belongs to one event loop.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._known: dict[int, _Known] = {}

    async def opens_at_us(self, coupon_id: int) -> int | None:
        """Microseconds since 1970; None when the gate does not say, within ANSWER_SECONDS."""
        loop = asyncio.get_running_loop()
        known = self._known.get(coupon_id)
        if known is None or known.asked_at + FRESH_SECONDS <= loop.time():
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            known = _Known(loop.time(), loop.run_in_executor(None, self._ask, coupon_id))
            self._known[coupon_id] = known
        try:
            return await asyncio.wait_for(asyncio.shield(known.told), ANSWER_SECONDS)
        except TimeoutError:
            return None

    def _ask(self, coupon_id: int) -> int | None:
        try:
            return self._gate.opens_at_us(coupon_id)
        except GateUnavailable as error:
            log.warning("%s; when it opens is not told", error, extra={"coupon_id": coupon_id})
            return None
