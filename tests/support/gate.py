"""A gate on the run's Redis-compatible server, and coupons to open on it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coupons.gate import Gate, connect_gate, open_coupon
from coupons.model import Coupon, CouponState

PROTOTYPE = Coupon(
    coupon_id=7,
    name="of a test",
    total_quantity=3,
    issued_count=0,
    rejected_count=0,
    issue_starts_at=datetime.now(UTC) - timedelta(hours=1),
    issue_ends_at=None,
    state=CouponState.OPEN,
    eligible_group=None,
    version=1,
    gate_epoch=1,
    created_at=datetime.now(UTC),
)

OpenCoupon = Callable[..., Coupon]


@pytest.fixture
def gate(valkey_url: str) -> Gate:
    return connect_gate(valkey_url)


@pytest.fixture
def opened(gate: Gate) -> OpenCoupon:
    """Opens a coupon at the gate; keywords change the prototype."""

    def open_one(**changes: Any) -> Coupon:
        coupon = replace(PROTOTYPE, **changes)
        assert open_coupon(gate, coupon)
        return coupon

    return open_one
