"""Each method of the client, against the API over real Redis and Postgres."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chaos.link import Link
from coupon_client import Coupon, CouponClient, Refused
from tests.client.conftest import NewClient

Issued = Callable[[int, int], str]
TILL = "coupon:redeem"


def test_a_coupon_is_claimed_awaited_and_used(
    admin: CouponClient, new_client: NewClient, issued: Issued
) -> None:
    """The life of an issued coupon, by its user and a till."""
    coupon = admin.create_coupon("A tenth off", 10, discount={"percent": 10})
    user, till = new_client(4711), new_client(900, TILL)
    before = user.read_own_timeline(coupon.id)
    assert (before.status, before.steps, before.refusal) == (None, (), None)
    claimed = user.claim_coupon(coupon.id)
    assert (claimed.user_id, claimed.coupon_id, claimed.is_final) == (4711, coupon.id, False)
    assert user.claim_coupon(coupon.id) == claimed
    assert user.wait_for_result(claimed.id, 0).status == "REQUESTED"
    issued_id = issued(coupon.id, 4711)
    final = user.wait_for_result(claimed.id)
    assert (final.status, final.issued_coupon_id) == ("ISSUED", issued_id)
    assert user.read_request(claimed.id) == final
    [own] = user.list_own_coupons("active", coupon.id)
    assert own == user.read_issued_coupon(issued_id)
    assert (own.discount, own.state, own.expires_at) == ({"percent": 10}, "active", None)
    assert user.read_receipt(issued_id).count(".") == 2
    assert len(user.read_keys()["keys"]) == 1
    assert till.use_issued_coupon(issued_id, "order-17").order_reference == "order-17"
    with pytest.raises(Refused, match="another order") as refused:
        till.use_issued_coupon(issued_id, "order-18")
    assert (refused.value.status, refused.value.kind) == (409, "coupon-used")
    assert till.cancel_use(issued_id, "order-17").state == "active"
    assert admin.revoke_issued_coupon(issued_id, "a mistake").reason == "a mistake"
    states = [change.to_state for change in user.list_changes_of_issued_coupon(issued_id)]
    assert states == ["used", "active", "revoked"]


def test_an_administrator_changes_a_coupon(admin: CouponClient) -> None:
    """By the version that was read; of two changes of one version the second is refused."""
    starts = datetime.now(UTC) + timedelta(days=1)
    draft = admin.create_coupon("Draft", 10, id=3000, state="draft", issue_starts_at=starts)
    assert (draft.id, draft.state, draft.issue_starts_at) == (3000, "draft", starts)
    opened = admin.change_coupon(3000, draft.version, state="open")
    assert (opened.state, opened.is_scheduled) == ("open", True)
    changed = admin.change_coupon(3000, opened.version, total_quantity=20, issue_starts_at=None)
    assert (changed.total_quantity, changed.is_scheduled) == (20, False)
    with pytest.raises(Refused) as refused:
        admin.change_coupon(3000, opened.version, name="Mine")
    assert refused.value.kind == "precondition-failed"
    paused = admin.pause_coupon(3000, changed.version)
    assert paused.state == "paused"
    assert admin.resume_coupon(3000).state == "open"
    with pytest.raises(Refused):
        admin.close_coupon(3000, paused.version)
    assert admin.close_coupon(3000).state == "closed"
    assert admin.archive_coupon(3000).state == "archived"
    assert admin.read_coupon(3000).state == "archived"
    actions = list(admin.audit_coupon(3000))
    assert len(actions) == 7
    changes = actions[4].changes
    assert changes is not None
    assert (changes["total_quantity"].from_, changes["total_quantity"].to) == (10, 20)


def test_a_draft_is_discarded(admin: CouponClient) -> None:
    """By the version that was read; again: the same."""
    draft = admin.create_coupon("Draft", 10, state="draft")
    discarded = admin.discard_draft(draft.id, draft.version)
    assert (discarded.id, discarded.codes, discarded.listed_users) == (draft.id, 0, 0)
    assert admin.discard_draft(draft.id, draft.version) == discarded
    assert next(admin.audit_coupon(draft.id)).action == "discard draft"
    opened = admin.create_coupon("Open", 10)
    with pytest.raises(Refused) as refused:
        admin.discard_draft(opened.id, opened.version)
    assert refused.value.kind == "not-draft"


def test_a_list_goes_on_from_page_to_page(admin: CouponClient) -> None:
    """Pages have 100 items; each coupon comes once."""
    made = [admin.create_coupon(f"number {number}", 1).id for number in range(101)]
    admin.close_coupon(made[0])
    listed = [each for each in admin.list_coupons() if isinstance(each, Coupon)]
    assert sorted(each.id for each in listed) == sorted(made)
    assert [each.id for each in admin.list_coupons("closed")] == made[:1]
    assert [each.id for each in admin.list_coupons(name="number 57")] == [made[57]]


def test_codes_are_uploaded_given_and_found(
    admin: CouponClient, new_client: NewClient, issued: Issued, tmp_path: Path
) -> None:
    coupon, user = admin.create_coupon("Codes", 3), new_client(1)
    assert admin.choose_codes(coupon.id, "pool").missing == 3
    file = tmp_path / "codes.txt"
    file.write_text("SAVE-1\nSAVE-2\n\x01\n")
    upload = admin.upload_codes(coupon.id, file)
    assert (upload.added, upload.refused, upload.header) == (2, 1, None)
    assert upload.first_refused[0].line == 3
    again = admin.upload_codes(coupon.id, file)
    assert (again.added, again.refused) == (0, 3)
    user.claim_coupon(coupon.id)
    given = user.give_code(issued(coupon.id, 1))
    assert given == user.give_code(given.issued_coupon_id)
    found = new_client(900, TILL).find_code(given.code.lower())
    assert (found.issued_coupon_id, found.state) == (given.issued_coupon_id, "active")
    codes = admin.read_codes(coupon.id)
    assert (codes.given, codes.free, codes.missing) == (1, 1, 1)
    assert [admin.remove_free_codes(coupon.id).removed for _ in range(2)] == [1, 0]
    codes = admin.read_codes(coupon.id)
    assert (codes.given, codes.free, codes.missing) == (1, 0, 2)


def test_a_lost_answer_does_nothing_twice(
    admin: CouponClient, new_client: NewClient, issued: Issued, link: Link
) -> None:
    """The API took the call, and the connection broke: it is repeated, and done once."""
    link.break_next(1, "answers")
    coupon = admin.create_coupon("Once", 10)
    assert [each.id for each in admin.list_coupons()] == [coupon.id]
    user = new_client(4711)
    link.break_next(1, "answers")
    claimed = user.claim_coupon(coupon.id)
    assert admin.read_coupon(coupon.id).places_left == 9
    issued(coupon.id, 4711)
    link.break_next(2, "answers")
    assert user.use_issued_coupon(claimed.id, "order-17").state == "used"
    assert len(list(user.list_changes_of_issued_coupon(claimed.id))) == 1


def test_what_belongs_to_nobody_is_refused(admin: CouponClient, new_client: NewClient) -> None:
    """An unknown id, a part of a path as an id, and somebody else's request."""
    request = new_client(1).claim_coupon(admin.create_coupon("Mine", 1).id)
    stranger = new_client(2)
    for wanted in (request.id, "../coupons/1", "x", "a/b?c"):
        with pytest.raises(Refused) as refused:
            stranger.read_issued_coupon(wanted)
        assert refused.value.kind == "not-found"
    with pytest.raises(ValueError, match="time zone"):
        admin.create_coupon("Naive", 1, valid_until=datetime(2030, 1, 1))


def test_a_user_waits_for_a_sold_out_coupon(admin: CouponClient, new_client: NewClient) -> None:
    coupon = admin.create_coupon("One", 1)
    assert admin.switch_standby_list(coupon.id, is_on=True).waiting == 0
    new_client(4711).claim_coupon(coupon.id)
    user = new_client(4712)
    joined = user.join_line(coupon.id)
    assert (joined.user_id, joined.state, joined.users_ahead) == (4712, "waiting", 0)
    assert user.read_line(coupon.id) == joined
    assert admin.read_standby_list(coupon.id).waiting == 1
    left = user.leave_line(coupon.id)
    assert (left.state, left.users_ahead, left.request_id) == ("left", None, None)
    with pytest.raises(Refused) as refused:
        new_client(4711).join_line(coupon.id)
    assert refused.value.kind == "requested"
