"""A draft and an archived coupon on the page: shown as such, and changed by nobody there."""

import pytest

from coupons.ledger.admin_states import archive_coupon
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import change_coupon, find_coupon
from coupons.model import Coupon, CouponState
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


@pytest.fixture
def archived(database: Database, make_coupon: MakeCoupon) -> Coupon:
    coupon_id = make_coupon(name="Last year").coupon_id
    with connect_ledger(database.url("coupon_api"), "test") as api:
        change_coupon(api, coupon_id, state=CouponState.CLOSED)
        done = archive_coupon(api, coupon_id)
    assert done is not None
    return done


def test_an_archived_coupon_is_found_when_it_is_asked_for(served: Served, archived: Coupon) -> None:
    operator = served.operator(acts=True)
    for state, count in (("archived", 1), ("closed", 0), ("", 0)):
        listed = operator.get(f"/coupons?state={state}")
        assert listed.text.count("Last year") == count, state
    shown = operator.get(f"/coupons/{archived.coupon_id}")
    assert "It is archived. A claim gets now: closed." in text_of(shown)
    assert "forgotten by the gate: archived" in text_of(shown)
    assert "/resume" not in shown.text
    asked = operator.get(f"/coupons/{archived.coupon_id}/close")
    assert "It is archived, which is final." in text_of(asked)
    fields = {"csrf_token": asked.csrf_token, "version": str(archived.version)}
    assert operator.post(f"/coupons/{archived.coupon_id}/close", **fields).status == 400
