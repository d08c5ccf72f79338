"""Why a user may have no request: what is known from the coupon, and never a guess."""

from datetime import UTC, datetime

from coupons.gate import GateFigures, unavailable_reason
from coupons.model import Coupon, CouponState
from operations.trace.facts import Facts, Unknown

NOT_RECORDED = (
    "Refusals are not recorded for each user: whether this user tried, and which refusal the user"
    " got, is not known."
)
_TIME = "%Y-%m-%d %H:%M:%S UTC"


def why_none(facts: Facts) -> list[str]:
    """Sentences on the coupon as it is now, and what is not recorded."""
    coupon, figures = facts.coupon, facts.figures
    if isinstance(coupon, Unknown):
        return [f"The coupon is {coupon}.", NOT_RECORDED]
    if coupon is None:
        return ["The ledger has no such coupon.", NOT_RECORDED]
    if coupon.retired_at is not None:
        return [
            f"The coupon was retired at {coupon.retired_at:{_TIME}}: its requests are in files, and"
            " no longer in Postgres. `coupon verify` has their counts."
        ]
    lines = [*_definition(coupon, datetime.now(UTC)), *_stock(coupon, figures)]
    lines = lines or ["The coupon is open now and not sold out: the user can claim it."]
    if coupon.eligible_group:
        lines.append(f"Only users of the group {coupon.eligible_group} may claim it.")
    if isinstance(figures, GateFigures) and figures.audience:
        lines.append("Only the users of its list may claim it.")
    return [*lines, NOT_RECORDED]


def _definition(coupon: Coupon, now: datetime) -> list[str]:
    lines = []
    if coupon.state is CouponState.DRAFT:
        lines.append("The coupon is a draft now: nobody sees it, and a claim gets 404.")
    elif coupon.state is not CouponState.OPEN:
        lines.append(f"The coupon is {coupon.state} now.")
    if now < coupon.issue_starts_at:
        lines.append(f"It has not begun: it opens at {coupon.issue_starts_at:{_TIME}}.")
    if coupon.issue_ends_at is not None and now >= coupon.issue_ends_at:
        lines.append(f"It ended at {coupon.issue_ends_at:{_TIME}}.")
    return lines


def _stock(coupon: Coupon, figures: GateFigures | Unknown | None) -> list[str]:
    total = coupon.total_quantity
    if coupon.issued_count >= total:
        return [f"It is sold out: all {total:,} are issued."]
    if coupon.has_line:
        return ["Users wait in line for it: every other claim is refused as sold out."]
    if isinstance(figures, Unknown):
        return [f"Whether any are left is {figures}."]
    if (why := unavailable_reason(figures, coupon)) is not None:
        return [f"The gate is unavailable now ({why}): every claim gets 503."]
    if figures is not None and not figures.places_left:
        taken = f"{figures.issued:,} issued, {figures.pending:,} not final yet"
        return [f"It is sold out at the gate: all {total:,} are taken ({taken})."]
    return []
