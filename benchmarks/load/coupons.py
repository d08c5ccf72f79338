"""Coupons for a load: made over the API, or for a gate without a ledger."""

from datetime import UTC, datetime

import requests

from benchmarks.harness.target import Target
from coupons.model import Coupon, CouponState

ENDLESS = 1_000_000_000
"""A total that no run uses up."""


def create_coupon(stack: Target, total_quantity: int = ENDLESS) -> int:
    """Create a coupon over the API, by default one that never sells out; return its id."""
    response = requests.post(
        f"{stack.environment['COUPON_API_URL']}/coupons",
        json={"name": "of a benchmark", "total_quantity": total_quantity},
        headers={"Authorization": f"Bearer {stack.token(1, 'coupon:admin')}"},
        timeout=10,
    )
    response.raise_for_status()
    return int(response.json()["id"])


def gate_only_coupon(coupon_id: int, total_quantity: int) -> Coupon:
    """An open coupon, of epoch 1, for a gate that has no ledger behind it."""
    now = datetime.now(UTC)
    return Coupon(
        coupon_id=coupon_id,
        name="of a benchmark",
        total_quantity=total_quantity,
        issued_count=0,
        rejected_count=0,
        issue_starts_at=now,
        issue_ends_at=None,
        state=CouponState.OPEN,
        eligible_group=None,
        version=1,
        gate_epoch=1,
        created_at=now,
    )
