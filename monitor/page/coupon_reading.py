"""Finds out what is known of one coupon: of a live one without a question to any server."""

from collections.abc import Callable

from coupons.errors import NotThere, RedisUnavailable
from coupons.gate import Gate, GateFigures, connect_gate, unavailable_reason
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import find_coupon
from coupons.model import Coupon
from monitor.page.coupon import Facts
from monitor.page.figures import clock
from monitor.page.page_ledger import PageLedger
from monitor.source import Reading
from monitor.state import State


class CouponReader:
    """Safe to share between threads."""

    def __init__(self, state: Callable[[], State], ledger: PageLedger, redis_url: str) -> None:
        self._state = state
        self.ledger = ledger
        self.gate: Gate = connect_gate(redis_url)

    def known(self, coupon_id: int) -> Facts:
        """What is known now. Raises NotThere."""
        state = self._state()
        ledger = state.postgres.value
        watched = {each.coupon_id: each for each in ledger.coupons} if ledger else {}
        coupon, gate = watched.get(coupon_id), state.redis.value
        # The gate is not asked yet for a coupon that was created since.
        if coupon is not None and (gate is None or coupon_id in gate.figures):
            return self._of_watched(state, coupon)
        if ledger is None:
            return Facts(None, None, _unknown("Postgres", state.postgres), False, None)
        with self.ledger.connected() as connection:
            return self.read(connection, coupon_id)

    def read(self, connection: Connection, coupon_id: int) -> Facts:
        """What ledger and gate say now, for an action. Raises NotThere or LedgerUnavailable."""
        coupon = find_coupon(connection, coupon_id)
        if coupon is None:
            raise NotThere(f"There is no coupon {coupon_id}.")
        reading = self._state().redis.value
        per_s = reading.taken_per_s.get(coupon_id) if reading else None
        watched = reading is not None and coupon_id in reading.figures
        try:
            figures = _available(self.gate.figures([coupon_id])[0], coupon)
        except RedisUnavailable as error:
            return Facts(coupon, None, str(error), watched, per_s)
        return Facts(coupon, figures, "", watched, per_s)

    def _of_watched(self, state: State, coupon: Coupon) -> Facts:
        gate = state.redis.value
        if gate is None:
            return Facts(coupon, None, _unknown("Redis", state.redis), True, None)
        figures = _available(gate.figures.get(coupon.coupon_id), coupon)
        return Facts(coupon, figures, "", True, gate.taken_per_s.get(coupon.coupon_id))


def _available(figures: GateFigures | None, coupon: Coupon) -> GateFigures | None:
    return None if unavailable_reason(figures, coupon) else figures


def _unknown(name: str, reading: Reading[object]) -> str:
    return f"{name}: unknown since {clock(reading.since)}: {reading.why}"
