"""When a coupon opens, for claims that come too early."""

import asyncio
import logging
from typing import NamedTuple

from coupons.errors import RedisUnavailable
from coupons.gate import Gate

log = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
MOST_REMEMBERED = 1_000
ANSWER_SECONDS = 0.5
"""A refusal waits no longer for its `opens_at`: threads may be busy, or the gate slow."""


class _Known(NamedTuple):
    asked_at: float
    answer: "asyncio.Future[int | None]"


class OpeningTimes:
    """Asks the gate when a coupon opens, at most once in FRESH_SECONDS for each coupon.

    Many clients come too early at the same time; they share one answer. All the state belongs to
    one event loop.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._known: dict[int, _Known] = {}

    async def opens_at_us(self, coupon_id: int) -> int | None:
        """Microseconds since 1970; None when the gate does not answer within ANSWER_SECONDS."""
        loop = asyncio.get_running_loop()
        known = self._known.get(coupon_id)
        if known is None or known.asked_at + FRESH_SECONDS <= loop.time():
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            known = _Known(loop.time(), loop.run_in_executor(None, self._ask, coupon_id))
            self._known[coupon_id] = known
        try:
            return await asyncio.wait_for(asyncio.shield(known.answer), ANSWER_SECONDS)
        except TimeoutError:
            return None

    def _ask(self, coupon_id: int) -> int | None:
        try:
            return self._gate.opens_at_us(coupon_id)
        except RedisUnavailable as error:
            log.warning(
                "%s; the refusal does not say when the coupon opens",
                error,
                extra={"coupon_id": coupon_id},
            )
            return None
