"""Whether a claim of somebody without a request would be admitted now, and why not."""

from collections.abc import Collection
from datetime import datetime

from coupons.gate.figures import GateFigures, unavailable_reason
from coupons.model import Coupon, CouponState, GateState, Refusal, StandbyList

_REFUSED_STATES = {
    CouponState.PAUSED: Refusal.PAUSED,
    CouponState.CLOSED: Refusal.CLOSED,
    CouponState.ARCHIVED: Refusal.CLOSED,
}


def refusal_now(
    coupon: Coupon,
    figures: GateFigures | GateState | None,
    groups: Collection[str],
    is_listed: bool,
    now: datetime,
) -> Refusal | GateState | None:
    """Why not, in the order of admit.lua; None: it would be admitted, in its turn.

    coupon: as the ledger has it; no draft. figures: the gate's; None: it does not have the coupon;
    GateState: they cannot be read. groups: the user's. is_listed: whether the coupon is for
    everybody, or the user is on its list. What the ledger says by itself comes before
    a gate that is unavailable: it stays true when the gate is rebuilt.
    """
    if coupon.state in _REFUSED_STATES:
        return _REFUSED_STATES[coupon.state]
    if now < coupon.issue_starts_at:
        return Refusal.NOT_OPEN
    if coupon.issue_ends_at is not None and now >= coupon.issue_ends_at:
        return Refusal.CLOSED
    if not is_listed or (coupon.eligible_group and coupon.eligible_group not in groups):
        return Refusal.NOT_ELIGIBLE
    if coupon.standby is StandbyList.WAITING or coupon.issued_count >= coupon.total_quantity:
        return Refusal.SOLD_OUT
    if isinstance(figures, GateState):
        return figures
    if (why := unavailable_reason(figures, coupon)) is not None:
        return why
    assert figures is not None, "the gate is unavailable without"
    return None if figures.places_left else Refusal.SOLD_OUT
