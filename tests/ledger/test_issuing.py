"""Issuing: never more than the total, once for each user, and every request gets an outcome."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import change_coupon, find_coupon
from coupons.ledger.issued_coupons import Outcome, issue_or_reject
from coupons.ledger.requests import accept_requests, count_requests
from coupons.model import Admission, IssueRequest, Status
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

FIRST_US = 1_795_360_000_000_000


def _requests(coupon_id: int, users: range) -> list[IssueRequest]:
    return [IssueRequest(coupon_id, user, FIRST_US + user, Status.REQUESTED) for user in users]


def _issue(database: Database, requests: list[IssueRequest]) -> list[Outcome]:
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        return issue_or_reject(consumer, requests)


def _statuses(outcomes: list[Outcome]) -> dict[int, Status]:
    return {outcome.request.user_id: outcome.request.status for outcome in outcomes}


def test_what_does_not_fit_the_total_is_rejected_and_not_lost(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=2)
    outcomes = _issue(database, _requests(coupon.coupon_id, range(1, 5)))
    assert _statuses(outcomes) == {
        1: Status.ISSUED,
        2: Status.ISSUED,
        3: Status.REJECTED,
        4: Status.REJECTED,
    }
    assert {outcome.request.reason for outcome in outcomes} == {None, "sold_out"}


def test_the_earliest_requests_of_a_batch_get_the_last_places(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=1)
    late, early = _requests(coupon.coupon_id, range(1, 3))[::-1]
    assert _statuses(_issue(database, [late, early])) == {
        early.user_id: Status.ISSUED,
        late.user_id: Status.REJECTED,
    }


def test_a_replayed_event_issues_nothing_twice_and_repeats_its_outcome(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=2)
    requests = _requests(coupon.coupon_id, range(1, 5))
    first = _issue(database, requests)
    again = _issue(database, requests + requests)
    assert _statuses(again) == _statuses(first)
    assert not any(outcome.fresh for outcome in again)
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        found = find_coupon(ops, coupon.coupon_id)
    assert found is not None
    assert (found.issued_count, found.rejected_count) == (2, 2)


def test_a_duplicate_within_a_batch_does_not_roll_the_batch_back(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=10)
    requests = _requests(coupon.coupon_id, range(1, 4))
    outcomes = _issue(database, [requests[0], *requests, requests[2]])
    assert set(_statuses(outcomes).values()) == {Status.ISSUED}
    assert len(outcomes) == 3


def test_a_request_of_an_unknown_coupon_has_no_outcome(
    database: Database, make_coupon: MakeCoupon
) -> None:
    """A request whose coupon is unknown has no outcome and holds up nobody."""
    coupon = make_coupon()
    outcomes = _issue(
        database, _requests(999, range(1, 3)) + _requests(coupon.coupon_id, range(5, 6))
    )
    assert _statuses(outcomes) == {5: Status.ISSUED}


def test_consumers_that_race_for_the_last_places_issue_exactly_those(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupons = [make_coupon(total_quantity=50).coupon_id for _ in range(3)]
    batches = [
        [request for coupon_id in coupons for request in _requests(coupon_id, users)]
        for users in (range(1, 61), range(31, 91), range(61, 121), range(1, 121))
    ]
    with ThreadPoolExecutor(len(batches)) as pool:
        list(pool.map(lambda batch: _issue(database, batch), batches))
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        for coupon_id in coupons:
            found = find_coupon(ops, coupon_id)
            counts = count_requests(ops, coupon_id)
            assert found is not None
            assert counts is not None
            assert (counts.issued, counts.rejected) == (50, 70)
            assert (found.issued_count, found.rejected_count) == (50, 70)


def test_the_database_itself_refuses_to_oversell(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=1)
    with (
        psycopg.connect(database.url("coupon_owner")) as owner,
        pytest.raises(psycopg.errors.CheckViolation, match="coupon_never_oversold"),
    ):
        owner.execute("UPDATE coupon SET issued_count = 2 WHERE coupon_id = %s", [coupon.coupon_id])


def test_the_database_itself_refuses_a_second_coupon_for_a_user(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon()
    _issue(database, _requests(coupon.coupon_id, range(1, 2)))
    with (
        psycopg.connect(database.url("coupon_owner")) as owner,
        pytest.raises(psycopg.errors.UniqueViolation, match="issued_once_per_user"),
    ):
        owner.execute(
            "INSERT INTO issued_coupon (user_id, coupon_id, requested_at) VALUES (1, %s, now())",
            [coupon.coupon_id],
        )


def test_stock_is_not_lowered_below_what_is_issued(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=3)
    _issue(database, _requests(coupon.coupon_id, range(1, 3)))
    with connect_ledger(database.url("coupon_api"), "test") as api:
        lowered = change_coupon(api, coupon.coupon_id, total_quantity=2)
        assert lowered is not None
        assert lowered.total_quantity == 2
        assert lowered.version > coupon.version
        with pytest.raises(psycopg.errors.CheckViolation):
            change_coupon(api, coupon.coupon_id, total_quantity=1)


def test_each_role_may_do_its_own_work_and_nothing_else(database: Database) -> None:
    forbidden = {
        "coupon_api": "INSERT INTO issued_coupon VALUES (1, 1, now())",
        "coupon_consumer": "INSERT INTO coupon_issue_request VALUES (1, 1, now())",
        "coupon_reconciler": "INSERT INTO issued_coupon VALUES (1, 1, now())",
        "coupon_cdc": "INSERT INTO cdc_heartbeat DEFAULT VALUES",
        "coupon_ops": "UPDATE coupon SET name = 'x'",
    }
    for role, statement in forbidden.items():
        with (
            psycopg.connect(database.url(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


def test_the_connector_beats_without_the_right_to_write(database: Database) -> None:
    with psycopg.connect(database.url("coupon_cdc")) as cdc:
        cdc.execute("SELECT cdc_beat()")
        assert cdc.execute("SELECT count(*) FROM cdc_heartbeat").fetchone() == (1,)


def test_accepted_requests_become_issued_coupons_with_the_same_moment(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon()
    with connect_ledger(database.url("coupon_api"), "test") as api:
        accept_requests(
            api, [Admission(coupon.coupon_id, 1, FIRST_US + 1, coupon.gate_epoch, False)]
        )
    [outcome] = _issue(database, _requests(coupon.coupon_id, range(1, 2)))
    assert outcome.request.requested_at_us == FIRST_US + 1
