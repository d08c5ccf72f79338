"""A draft on the page: shown as one, and changed by administrators only."""

import pytest

from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import find_coupon
from coupons.model import Coupon
from tests.monitor.page.conftest import Served
from tests.monitor.page.words import text_of
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


@pytest.fixture
def draft(make_coupon: MakeCoupon) -> Coupon:
    return make_coupon(state="draft", name="Next week")


def test_a_draft_is_found_and_shown_as_one(served: Served, draft: Coupon) -> None:
    operator = served.operator(acts=True)
    for state, count in (("draft", 1), ("paused", 0), ("", 1)):
        listed = operator.get(f"/coupons?state={state}")
        assert listed.text.count("Next week") == count, state
    shown = operator.get(f"/coupons/{draft.coupon_id}")
    said = text_of(shown)
    assert "It is a draft. A claim gets now: draft." in said
    assert "admitted not at the gate: a draft" in said
    assert "When is it sold out? not while it is a draft" in said
    assert "/pause" not in shown.text
    assert "/resume" not in shown.text


@pytest.mark.parametrize("action", ["pause", "resume", "close", "stock?total=5"])
def test_operators_are_sent_to_the_api_for_a_draft(
    served: Served, database: Database, draft: Coupon, action: str
) -> None:
    operator, path = served.operator(acts=True), f"/coupons/{draft.coupon_id}"
    asked = operator.get(f"{path}/{action}")
    assert "an administrator changes and opens it over the HTTP API" in text_of(asked)
    fields = {"csrf_token": asked.csrf_token, "version": str(draft.version), "total": "5"}
    assert operator.post(f"{path}/{action.partition('?')[0]}", **fields).status == 400
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        assert find_coupon(ops, draft.coupon_id) == draft
