"""Coupons in a clean database."""

from collections.abc import Callable
from typing import Any

import pytest

from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import create_coupon
from coupons.model import Coupon
from tests.support.databases import Database

MakeCoupon = Callable[..., Coupon]


@pytest.fixture
def make_coupon(database: Database) -> MakeCoupon:
    """Creates a coupon in the test's database; keywords change the defaults."""

    def make(**changes: Any) -> Coupon:
        values: dict[str, Any] = {
            "coupon_id": None,
            "name": "of a test",
            "total_quantity": 100,
            "issue_starts_at": None,
            "issue_ends_at": None,
            "eligible_group": None,
        }
        with connect_ledger(database.url("coupon_api"), "test") as api:
            coupon = create_coupon(api, **{**values, **changes})
        assert coupon is not None
        return coupon

    return make
