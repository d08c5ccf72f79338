"""An old record of Kafka, or a late mark, brings nobody back, and takes nothing from anybody."""

from datetime import UTC, datetime, timedelta

import pytest

from coupons.errors import KeysUnreadable, LedgerUnavailable, RedisUnavailable
from coupons.gate.erasing import erase_user
from coupons.gate.rebuild import rebuild
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.connection import Connection
from coupons.ledger.erasures import (
    erase_returned,
    forget_erased_requests,
    list_returned,
)
from reconciler.erasure_watch import ErasureWatch
from reconciler.routine_pass import run_pass
from reconciler.watch import Watch
from tests.reconciler.conftest import Shop
from tests.reconciler.erasures import (
    AT_GATE,
    WEEK,
    Down,
    again,
    agree,
    erase,
    handle,
    issued,
    no_mark_is_late_any_more,
    users,
)
from tests.support.issued import as_owner


def test_a_late_mark_does_not_bring_the_user_back(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """A consumer read the outcome before the erasure, and marks it after."""
    requests = issued(shop, 2)
    erase(shop, ops, 2)
    shop.gate.settle(requests)
    assert shop.statuses(2) == ["ISSUED"]

    assert len(again(shop, reconciler)) == 1

    assert shop.statuses(2) == [None]
    agree(shop, ops)
    assert again(shop, reconciler) == []
    assert len(list_returned(reconciler, 0)) == 1
    no_mark_is_late_any_more(shop)
    assert again(shop, reconciler) == []
    assert list_returned(reconciler, 0) == []


def test_a_record_that_is_handled_again_does_not_bring_the_user_back(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """A consumer that reads old records issues the coupon anew; the reconciler erases it again."""
    [request] = issued(shop, 2)
    first = erase(shop, ops, 2)
    handle(shop, request)
    assert shop.statuses(2) == ["ISSUED"]

    [proof] = again(shop, reconciler)

    assert proof.erasure_id == first.erasure_id
    assert proof.repeated == 1
    assert proof.log_forgets_at is not None
    assert first.log_forgets_at is not None
    assert proof.log_forgets_at > first.log_forgets_at
    assert shop.statuses(2) == [None]
    assert users(shop.database)[0] >= FIRST_ERASED_ID
    list(run_pass(shop.gate, reconciler, 0, Watch(0)))
    agree(shop, ops)
    shop_users = as_owner(shop.database, "SELECT user_id FROM issued_coupon")
    assert all(user >= FIRST_ERASED_ID for [user] in shop_users)


def test_what_an_old_record_issued_has_a_request_after_its_erasure(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """The record wrote an outcome only: without a row the books of an archived coupon stay open."""
    [request] = issued(shop, 2)
    erase(shop, ops, 2)
    handle(shop, request)
    again(shop, reconciler)
    agree(shop, ops)

    handle(shop, request)
    erase(shop, ops, 2)

    agree(shop, ops)
    assert len(users(shop.database)) == shop.ledger().issued_count == 3


def test_a_new_claim_is_not_taken_for_a_record_that_came_back(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """It has another time: who was erased and claims again is erased only when asked to be."""
    issued(shop, 2)
    erase(shop, ops, 2)
    issued(shop, 2)

    assert again(shop, reconciler) == []
    assert shop.statuses(2) == ["ISSUED"]


def test_repeating_adds_nothing_to_how_long_records_are_kept(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """However old the erasure is when a record comes back, the log keeps what it writes a week."""
    [request] = issued(shop, 2)
    erase(shop, ops, 2)
    for repeated in (1, 2, 3):
        as_owner(shop.database, "UPDATE erasure SET erased_at = erased_at - interval '5 days'")
        handle(shop, request)
        [proof] = again(shop, reconciler)
        assert proof.repeated == repeated

    assert proof.log_forgets_at is not None
    assert proof.log_forgets_at < datetime.now(UTC) + WEEK


def test_an_old_record_does_not_take_a_new_claim_away(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """It is handled before the record of the new claim, which then gets the coupon that it made."""
    [request] = issued(shop, 2)
    erase(shop, ops, 2)
    shop.accept(2)
    handle(shop, request)
    shop.issue(2)
    rebuild(shop.gate, reconciler, shop.coupon_id)

    assert again(shop, reconciler) == []

    assert shop.statuses(2) == ["ISSUED"]
    agree(shop, ops)


def test_a_claim_between_two_statements_is_not_erased(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """The list of what came back is older than the erasure: this looks again, in the ledger."""
    [request] = issued(shop, 2)
    erase(shop, ops, 2)
    handle(shop, request)
    [returned] = list_returned(reconciler, -1)
    as_owner(
        shop.database,
        "INSERT INTO coupon_issue_request VALUES (%s, 2, now())",
        shop.coupon_id,
    )

    with pytest.raises(LedgerUnavailable, match="claimed again"):
        erase_returned(reconciler, returned)

    assert 2 in users(shop.database)
    assert as_owner(shop.database, "SELECT repeated FROM erasure") == [(0,)]


def test_the_list_of_erased_requests_ends_with_kafkas_records(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """Then nothing in the ledger names the user, and asking again finds nothing."""
    issued(shop, 2)
    first = erase_user(shop.gate, ops, 2, "a test", timedelta(0))
    kept = "SELECT user_id FROM erased_request"
    assert as_owner(shop.database, kept) == [(2,)]
    assert forget_erased_requests(reconciler) == 0
    no_mark_is_late_any_more(shop)
    again(shop, reconciler)

    assert forget_erased_requests(reconciler) == 1

    assert as_owner(shop.database, kept) == []
    assert erase(shop, ops, 2).erasure_id != first.erasure_id


def test_one_that_cannot_be_erased_stops_no_other(
    shop: Shop, other: Shop, ops: Connection, reconciler: Connection
) -> None:
    """The coupon that the gate cannot read is closed and rebuilt; then the erasure ends."""
    for at, user in ((shop, 2), (other, 3)):
        issued(at, user)
        with pytest.raises(RedisUnavailable):
            erase_user(Down(shop.gate), ops, user, "a test", WEEK)  # type: ignore[arg-type]
    as_owner(shop.database, "UPDATE erasure SET erased_at = erased_at - interval '1 minute'")
    past = "VALUES (4, 1, now(), (SELECT min(erasure_id::text)::uuid FROM erasure), now())"
    columns = "(user_id, coupon_id, requested_at, erasure_id, forget_at)"
    as_owner(shop.database, f"INSERT INTO erased_request {columns} {past}")
    for key in shop.gate.client.keys(f"coupon:{{{shop.coupon_id}}}:*:settled:*"):
        shop.gate.client.set(key, "unreadable")
    pool = shop.gate.client.connection_pool.connection_kwargs
    url = f"redis://{pool['host']}:{pool['port']}/{pool.get('db', 0)}"
    watch = ErasureWatch(url, shop.database.url("coupon_reconciler"))

    with pytest.raises(KeysUnreadable):
        watch.look()

    assert other.statuses(3) == [None]
    assert as_owner(shop.database, "SELECT FROM erased_request WHERE user_id = 4") == []
    closed, still_open = shop.gate.unavailable([shop.coupon_id, other.coupon_id])
    assert (closed is not None, still_open) == (True, None)
    rebuild(shop.gate, reconciler, shop.coupon_id)
    watch.look()
    assert as_owner(shop.database, AT_GATE) == [(True,), (True,)]
