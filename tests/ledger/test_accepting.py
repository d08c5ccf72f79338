"""Accepting claims: what is answered with 202 is a committed row, whatever is repeated."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from coupons.errors import LedgerUnavailable, OutcomeUnknown
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import begin_gate_epoch
from coupons.ledger.requests import accept_requests, count_requests, find_requests, stream_requests
from coupons.model import Admission, Coupon, IssueRequest, Status
from coupons.waiting import eventually
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

NOW_US = 1_795_360_000_123_457


def _admissions(coupon: Coupon, users: range) -> list[Admission]:
    return [
        Admission(coupon.coupon_id, user, NOW_US + user, coupon.gate_epoch, False) for user in users
    ]


def test_accepted_claims_are_rows_that_others_see(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon()
    with connect_ledger(database.url("coupon_api"), "test") as api:
        accepted = accept_requests(api, _admissions(coupon, range(1, 4)))
    assert accepted == {coupon.coupon_id}
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        found = find_requests(ops, [(coupon.coupon_id, user) for user in range(1, 5)])
    assert sorted(found) == [
        IssueRequest(coupon.coupon_id, user, NOW_US + user, Status.REQUESTED)
        for user in range(1, 4)
    ]


def test_accepting_again_changes_nothing(database: Database, make_coupon: MakeCoupon) -> None:
    coupon = make_coupon()
    admissions = _admissions(coupon, range(1, 4))
    with connect_ledger(database.url("coupon_api"), "test") as api:
        accept_requests(api, admissions)
        later = [admission._replace(requested_at_us=NOW_US * 2) for admission in admissions]
        assert accept_requests(api, later) == {coupon.coupon_id}
        found = find_requests(api, [(coupon.coupon_id, 2)])
    assert found[0].requested_at_us == NOW_US + 2


def test_a_moment_is_kept_to_the_microsecond(database: Database, make_coupon: MakeCoupon) -> None:
    coupon = make_coupon()
    moments = [random.Random(7).randrange(2**50, 2**51) for _ in range(200)]
    admissions = [
        Admission(coupon.coupon_id, user, moment, coupon.gate_epoch, False)
        for user, moment in enumerate(moments, start=1)
    ]
    with connect_ledger(database.url("coupon_api"), "test") as api:
        accept_requests(api, admissions)
        found = {r.user_id: r.requested_at_us for r in stream_requests(api, coupon.coupon_id)}
    assert found == dict(enumerate(moments, start=1))


def test_a_claim_of_an_unknown_coupon_is_not_accepted(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon()
    claims = _admissions(coupon, range(1, 2)) + _admissions(
        replace(coupon, coupon_id=999), range(1, 2)
    )
    with connect_ledger(database.url("coupon_api"), "test") as api:
        assert accept_requests(api, claims) == {coupon.coupon_id}
        assert find_requests(api, [(999, 1)]) == []


def test_a_claim_of_an_older_gate_epoch_is_not_accepted(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon()
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        fenced = begin_gate_epoch(reconciler, coupon.coupon_id)
    assert fenced is not None
    assert fenced.gate_epoch > coupon.gate_epoch
    with connect_ledger(database.url("coupon_api"), "test") as api:
        assert accept_requests(api, _admissions(coupon, range(1, 3))) == set()
        assert accept_requests(api, _admissions(fenced, range(1, 3)))


def test_a_fence_waits_for_the_claims_that_are_being_written(
    database: Database, make_coupon: MakeCoupon
) -> None:
    """No claim of the old epoch can be committed after a rebuild has read the ledger."""
    coupon = make_coupon()
    with (
        connect_ledger(database.url("coupon_api"), "test") as api,
        connect_ledger(database.url("coupon_reconciler"), "test") as reconciler,
        ThreadPoolExecutor(1) as pool,
    ):
        with api.transaction():
            accept_requests(api, _admissions(coupon, range(1, 3)))
            fence = pool.submit(begin_gate_epoch, reconciler, coupon.coupon_id)
            _until_somebody_waits(database)
            assert not fence.done()
        assert fence.result(timeout=10)
        assert len(list(stream_requests(reconciler, coupon.coupon_id))) == 2


def _until_somebody_waits(database: Database) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as watcher:
        eventually(
            lambda: (
                watcher.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None
            ),
            what="the fence waits for a lock",
        )


def test_two_writers_of_the_same_claims_do_not_deadlock(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupons = [make_coupon() for _ in range(4)]
    claims = [each for coupon in coupons for each in _admissions(coupon, range(1, 101))]

    def write(seed: int) -> None:
        with connect_ledger(database.url("coupon_api"), "test") as api:
            for turn in range(10):
                accept_requests(api, random.Random(seed * 100 + turn).sample(claims, 200))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))


def test_a_connection_that_is_cut_leaves_the_outcome_unknown(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon()
    with connect_ledger(database.url("coupon_api"), "to-be-cut") as api:
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            superuser.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'to-be-cut'"
            )
        with pytest.raises(OutcomeUnknown):
            accept_requests(api, _admissions(coupon, range(1, 3)))


def test_a_statement_that_postgres_refuses_is_known_not_to_be_written(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon()
    with connect_ledger(database.url("coupon_api"), "test") as api:
        api.execute("SET lock_timeout = '50ms'")
        with psycopg.connect(database.url("coupon_owner")) as owner:
            owner.execute("LOCK TABLE coupon_issue_request IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(LedgerUnavailable) as caught:
                accept_requests(api, _admissions(coupon, range(1, 3)))
        assert not isinstance(caught.value, OutcomeUnknown)
        assert find_requests(api, [(coupon.coupon_id, 1)]) == []


def test_counts_are_taken_from_the_rows(database: Database, make_coupon: MakeCoupon) -> None:
    coupon = make_coupon(total_quantity=5)
    with connect_ledger(database.url("coupon_api"), "test") as api:
        accept_requests(api, _admissions(coupon, range(1, 4)))
        counts = count_requests(api, coupon.coupon_id)
        assert count_requests(api, 999) is None
    assert counts is not None
    assert tuple(counts) == (5, 3, 0, 0, 3, 0, 0)
    assert counts.balance
    assert datetime.now(UTC) > coupon.created_at
