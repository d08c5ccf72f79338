"""A ledger that was restored takes back what the change stream still knows."""

import pytest

from coupons.ledger.connection import connect_ledger
from coupons.ledger.requests import accept_requests, count_requests, find_requests
from coupons.model import Admission, IssueRequest, Status
from coupons.waiting import eventually
from operations.restore import SKIPPED_IDS, StillRunning, refuse_while_running, restore, skip_ids
from tests.support.databases import Database
from tests.support.issued import as_owner, issue
from tests.support.ledger import MakeCoupon

NOW_US = 1_795_360_000_123_457


def test_lost_requests_are_written_as_they_were_and_others_stay(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon()
    coupon_id = coupon.coupon_id
    with connect_ledger(database.url("coupon_api"), "test") as api:
        accept_requests(api, [Admission(coupon_id, 1, NOW_US, coupon.gate_epoch, False)])
    requests = [
        IssueRequest(coupon_id, 1, NOW_US + 5, Status.REQUESTED),
        IssueRequest(coupon_id, 2, NOW_US + 7, Status.REQUESTED),
        IssueRequest(coupon_id, 2, NOW_US + 7, Status.REQUESTED),
        IssueRequest(coupon_id + 1, 3, NOW_US, Status.REQUESTED),
    ]
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        assert restore(owner, requests) == (1, [coupon_id + 1])
        assert restore(owner, requests) == (0, [coupon_id + 1])
        found = find_requests(owner, [(coupon_id, 1), (coupon_id, 2)])
        counts = count_requests(owner, coupon_id)
    assert sorted(request.requested_at_us for request in found) == [NOW_US, NOW_US + 7]
    assert counts is not None
    assert counts.accepted == 2


def test_a_restore_does_not_bring_back_who_was_erased(
    database: Database, make_coupon: MakeCoupon
) -> None:
    """Kafka's log still has the request, and the ledger lacks it on purpose."""
    coupon_id = make_coupon().coupon_id
    as_owner(
        database,
        "INSERT INTO coupon_issue_request VALUES"
        " (%s, 1, timestamptz 'epoch' + %s * interval '1 microsecond')",
        coupon_id,
        NOW_US,
    )
    issue(database, (coupon_id, 1))
    as_owner(database, "SELECT erase_user(1, %s, 'a test', '7 days')", [coupon_id])

    again = IssueRequest(coupon_id, 1, NOW_US, Status.REQUESTED)
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        assert restore(owner, [again]) == (0, [])
        assert restore(owner, [again._replace(requested_at_us=NOW_US + 1)]) == (1, [])


def test_ids_of_lost_coupons_are_not_given_out_again(
    database: Database, make_coupon: MakeCoupon
) -> None:
    before = make_coupon().coupon_id
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        skip_ids(owner)
    assert make_coupon().coupon_id > before + SKIPPED_IDS


@pytest.mark.parametrize("role", ["coupon_api", "coupon_consumer", "coupon_reconciler"])
def test_nothing_is_restored_beside_a_process_that_is_at_work(
    database: Database, role: str
) -> None:
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        with connect_ledger(database.url(role), "test"), pytest.raises(StillRunning, match=role):
            refuse_while_running(owner)

        def alone() -> bool:
            try:
                refuse_while_running(owner)
            except StillRunning:
                return False
            return True

        eventually(alone)
