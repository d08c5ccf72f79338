"""A user is erased in ledger and gate, in an order that survives being cut off anywhere."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coupons.errors import KeysUnreadable, LedgerUnavailable, RedisUnavailable
from coupons.gate.erasing import erase_again, erase_user, preview_erasure
from coupons.gate.rebuild import rebuild
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.erasures import (
    Erasure,
    UserInFlight,
    end_erasure,
    erase_returned,
    find_erasure,
    find_replaced,
    forget_erased_requests,
    list_returned,
)
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.model import IssueRequest
from coupons.queries import query
from operations.verify.comparison import compare
from operations.verify.report import check_consistency
from reconciler.erasure_watch import ErasureWatch
from reconciler.routine_pass import run_pass
from reconciler.watch import Watch
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.issued import as_owner
from tests.support.ledger import MakeCoupon

WEEK = timedelta(days=7)
AT_GATE = "SELECT at_gate_since IS NOT NULL FROM erasure ORDER BY erased_at"
USERS = "SELECT user_id FROM coupon_issue_request ORDER BY user_id"


@pytest.fixture
def ops(database: Database) -> Iterator[Connection]:
    with closing(connect_ledger(database.url("coupon_ops"), "test")) as connection:
        yield connection


@pytest.fixture
def other(shop: Shop, make_coupon: MakeCoupon) -> Shop:
    """Another coupon of the same shop."""
    return Shop(shop.gate, shop.database, make_coupon(total_quantity=20))


def _issued(shop: Shop, *users: int) -> list[IssueRequest]:
    """Claims and issues for these users; returns their requests."""
    shop.accept(*users)
    shop.issue(*users)
    with connect_ledger(shop.database.url("coupon_ops"), "test") as connection:
        return find_requests(connection, [(shop.coupon_id, user) for user in users])


def _handle(shop: Shop, *requests: IssueRequest) -> None:
    """What the consumer does with the records of these requests."""
    with connect_ledger(shop.database.url("coupon_consumer"), "test") as consumer:
        shop.gate.settle(outcome.request for outcome in issue_or_reject(consumer, requests))


def _erase(shop: Shop, connection: Connection, user: int) -> Erasure:
    return erase_user(shop.gate, connection, user, "a test", WEEK)


def _again(shop: Shop, reconciler: Connection) -> list[Erasure]:
    """What the reconciler does, without waiting until an erasure counts as cut off."""
    returned = list_returned(reconciler, -1)
    done = [each for each in returned if erase_again(shop.gate, reconciler, each)]
    found = [find_erasure(reconciler, each.erasure_id) for each in done]
    return [each for each in found if each is not None]


def _no_mark_is_late_any_more(shop: Shop) -> None:
    as_owner(
        shop.database,
        "UPDATE erased_request SET at_gate_since = at_gate_since - interval '3 minutes'",
    )


def _agree(shop: Shop, connection: Connection) -> None:
    """Gate and ledger hold the same requests and counts."""
    assert list(compare(shop.gate, connection, shop.coupon_id, 0)) == []
    report = check_consistency(shop.gate, connection, shop.coupon_id)
    assert report is not None
    assert not report.complaints


def _users(database: Database) -> list[int]:
    return [row[0] for row in as_owner(database, USERS)]


class _Down:
    """A gate whose Redis goes down before the step of an erasure."""

    def __init__(self, gate: Any) -> None:
        self.read = gate.read

    def erase(self, _: object) -> None:
        raise RedisUnavailable


def test_gate_and_ledger_agree_about_who_was_erased(shop: Shop, ops: Connection) -> None:
    """The place stays used and the counts add up; the gate does not know the user any more."""
    _issued(shop, 1, 2, 3)

    proof = _erase(shop, ops, 2)

    assert proof.counts["issued_coupon"] == proof.counts["coupon_issue_request"] == 1
    assert proof.at_gate_since is not None
    assert shop.statuses(1, 2, 3) == ["ISSUED", None, "ISSUED"]
    others, [nobody] = _users(shop.database)[:2], _users(shop.database)[2:]
    assert others == [1, 3]
    assert nobody >= FIRST_ERASED_ID
    assert shop.statuses(nobody) == ["ISSUED"]
    assert shop.ledger().issued_count == 3
    _agree(shop, ops)


def test_who_was_erased_may_claim_again(shop: Shop, ops: Connection) -> None:
    """To us it is a new user: the request gets a place of its own while there are any."""
    _issued(shop, 2)
    _erase(shop, ops, 2)

    _issued(shop, 2)

    assert shop.statuses(2) == ["ISSUED"]
    assert shop.ledger().issued_count == 2
    _agree(shop, ops)


def test_nobody_is_erased_while_a_request_is_in_flight(shop: Shop, ops: Connection) -> None:
    """What is not final would bring the user back; nothing is done."""
    shop.accept(2)

    with pytest.raises(UserInFlight, match="not final"):
        _erase(shop, ops, 2)

    shop.issue(2, mark=False)
    with pytest.raises(UserInFlight, match="not final"):
        _erase(shop, ops, 2)
    assert _users(shop.database) == [2]
    assert as_owner(shop.database, "SELECT FROM erasure") == []


def test_nobody_is_erased_before_an_admitted_claim_is_written(
    shop: Shop, other: Shop, ops: Connection, reconciler: Connection
) -> None:
    """The reconciler writes it; done before, the erasure would not have it."""
    _issued(shop, 2)
    other.admit(2)
    with pytest.raises(UserInFlight, match="not final"):
        _erase(shop, ops, 2)

    list(run_pass(shop.gate, reconciler, 0, Watch(0)))
    other.issue(2)
    _erase(shop, ops, 2)
    assert 2 not in _users(shop.database)


def test_erasing_again_shows_the_same_proof(shop: Shop, ops: Connection) -> None:
    """A repeated call erases nothing more, and is answered as the first one."""
    _issued(shop, 2)
    first = _erase(shop, ops, 2)

    assert _erase(shop, ops, 2) == first
    assert find_erasure(ops, first.erasure_id) == first


def test_a_dry_run_counts_and_changes_nothing(shop: Shop, ops: Connection) -> None:
    """Its counts are those of the erasure that follows."""
    _issued(shop, 2)

    counts = preview_erasure(ops, 2)

    assert _users(shop.database) == [2]
    assert _erase(shop, ops, 2).counts == counts
    assert not any(preview_erasure(ops, 2).values())


def test_repeating_ends_an_erasure_that_was_cut_off(shop: Shop, ops: Connection) -> None:
    """The ledger has forgotten the user, the gate not: calling again is enough."""
    _issued(shop, 1, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(_Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    assert shop.statuses(2) == ["ISSUED"]

    proof = _erase(shop, ops, 2)

    assert proof.at_gate_since is not None
    assert proof.counts["issued_coupon"] == 1
    assert shop.statuses(2) == [None]
    assert as_owner(shop.database, "SELECT FROM erased_request WHERE at_gate_since IS NULL") == []
    _agree(shop, ops)


def test_the_reconciler_ends_an_erasure_that_was_cut_off(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """Nobody has to call again."""
    _issued(shop, 1, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(_Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]

    [proof] = _again(shop, reconciler)

    assert proof.at_gate_since is not None
    assert shop.statuses(2) == [None]
    assert _again(shop, reconciler) == []
    _agree(shop, ops)


def test_a_late_mark_does_not_bring_the_user_back(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """A consumer read the outcome before the erasure, and marks it after."""
    requests = _issued(shop, 2)
    _erase(shop, ops, 2)
    shop.gate.settle(requests)
    assert shop.statuses(2) == ["ISSUED"]

    assert len(_again(shop, reconciler)) == 1

    assert shop.statuses(2) == [None]
    _agree(shop, ops)
    assert _again(shop, reconciler) == []
    assert len(list_returned(reconciler, 0)) == 1
    _no_mark_is_late_any_more(shop)
    assert _again(shop, reconciler) == []
    assert list_returned(reconciler, 0) == []


def test_what_another_call_has_erased_is_not_taken_for_done(
    shop: Shop, other: Shop, ops: Connection, reconciler: Connection
) -> None:
    """A call that ends says that the gate has what it replaced there, and nothing else."""
    _issued(shop, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(_Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    seen = find_replaced(ops, 2)
    shop.gate.erase(seen)
    _issued(other, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(_Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]

    end_erasure(ops, 2, seen, 120)

    assert as_owner(shop.database, AT_GATE) == [(True,), (False,)]
    assert [each.mark.coupon_id for each in find_replaced(ops, 2)][-1] == other.coupon_id
    assert _again(shop, reconciler)
    assert other.statuses(2) == [None]
    assert as_owner(shop.database, AT_GATE) == [(True,), (True,)]


def test_every_proof_says_when_the_gate_had_forgotten(
    shop: Shop, other: Shop, ops: Connection
) -> None:
    """Also that of a call that was cut off, and that of a user without requests."""
    _issued(shop, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(_Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    _issued(other, 2)
    _erase(shop, ops, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(_Down(shop.gate), ops, 3, "a test", WEEK)  # type: ignore[arg-type]

    assert as_owner(shop.database, AT_GATE) == [(True,), (True,), (True,)]


def test_a_gate_rebuilt_after_the_cut_needs_nothing(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """It has read the id that replaced the user; the repeated step counts nothing twice."""
    _issued(shop, 1, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(_Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    assert rebuild(shop.gate, reconciler, shop.coupon_id) == 2

    _erase(shop, ops, 2)

    assert shop.statuses(2) == [None]
    _agree(shop, ops)


def test_a_repair_before_the_gates_step_is_not_counted_twice(shop: Shop, ops: Connection) -> None:
    """The reconciler may have marked the new id already: then the user's mark only goes."""
    _issued(shop, 1, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(_Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    nobody = _users(shop.database)[-1]
    shop.gate.settle(find_requests(ops, [(shop.coupon_id, nobody)]))

    _erase(shop, ops, 2)

    assert shop.statuses(2) == [None]
    _agree(shop, ops)


def test_nobody_is_erased_during_a_rebuild(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """It may have read the user already, and would bring them back."""
    _issued(shop, 2)

    reconciler.execute(query("lock_rebuild"), {"coupon_id": shop.coupon_id})

    with pytest.raises(UserInFlight, match="rebuilt"):
        _erase(shop, ops, 2)

    assert _users(shop.database) == [2]


def test_a_record_that_is_handled_again_does_not_bring_the_user_back(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """A consumer that reads old records issues the coupon anew; the reconciler erases it again."""
    [request] = _issued(shop, 2)
    first = _erase(shop, ops, 2)
    _handle(shop, request)
    assert shop.statuses(2) == ["ISSUED"]

    [proof] = _again(shop, reconciler)

    assert proof.erasure_id == first.erasure_id
    assert proof.repeated == 1
    assert proof.log_forgets_at is not None
    assert first.log_forgets_at is not None
    assert proof.log_forgets_at > first.log_forgets_at
    assert shop.statuses(2) == [None]
    assert _users(shop.database)[0] >= FIRST_ERASED_ID
    list(run_pass(shop.gate, reconciler, 0, Watch(0)))
    _agree(shop, ops)
    shop_users = as_owner(shop.database, "SELECT user_id FROM issued_coupon")
    assert all(user >= FIRST_ERASED_ID for [user] in shop_users)


def test_what_an_old_record_issued_has_a_request_after_its_erasure(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """The record wrote an outcome only: without a row the books of an archived coupon stay open."""
    [request] = _issued(shop, 2)
    _erase(shop, ops, 2)
    _handle(shop, request)
    _again(shop, reconciler)
    _agree(shop, ops)

    _handle(shop, request)
    _erase(shop, ops, 2)

    _agree(shop, ops)
    assert len(_users(shop.database)) == shop.ledger().issued_count == 3


def test_a_new_claim_is_not_taken_for_a_record_that_came_back(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """It has another time: who was erased and claims again is erased only when asked to be."""
    _issued(shop, 2)
    _erase(shop, ops, 2)
    _issued(shop, 2)

    assert _again(shop, reconciler) == []
    assert shop.statuses(2) == ["ISSUED"]


def test_repeating_adds_nothing_to_how_long_records_are_kept(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """However old the erasure is when a record comes back, the log keeps what it writes a week."""
    [request] = _issued(shop, 2)
    _erase(shop, ops, 2)
    for repeated in (1, 2, 3):
        as_owner(shop.database, "UPDATE erasure SET erased_at = erased_at - interval '5 days'")
        _handle(shop, request)
        [proof] = _again(shop, reconciler)
        assert proof.repeated == repeated

    assert proof.log_forgets_at is not None
    assert proof.log_forgets_at < datetime.now(UTC) + WEEK


def test_an_old_record_does_not_take_a_new_claim_away(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """It is handled before the record of the new claim, which then gets the coupon that it made."""
    [request] = _issued(shop, 2)
    _erase(shop, ops, 2)
    shop.accept(2)
    _handle(shop, request)
    shop.issue(2)
    rebuild(shop.gate, reconciler, shop.coupon_id)

    assert _again(shop, reconciler) == []

    assert shop.statuses(2) == ["ISSUED"]
    _agree(shop, ops)


def test_a_claim_between_two_statements_is_not_erased(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """The list of what came back is older than the erasure: this looks again, in the ledger."""
    [request] = _issued(shop, 2)
    _erase(shop, ops, 2)
    _handle(shop, request)
    [returned] = list_returned(reconciler, -1)
    as_owner(
        shop.database,
        "INSERT INTO coupon_issue_request VALUES (%s, 2, now())",
        shop.coupon_id,
    )

    with pytest.raises(LedgerUnavailable, match="claimed again"):
        erase_returned(reconciler, returned)

    assert 2 in _users(shop.database)
    assert as_owner(shop.database, "SELECT repeated FROM erasure") == [(0,)]


def test_the_list_of_erased_requests_ends_with_kafkas_records(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """Then nothing in the ledger names the user, and asking again finds nothing."""
    _issued(shop, 2)
    first = erase_user(shop.gate, ops, 2, "a test", timedelta(0))
    kept = "SELECT user_id FROM erased_request"
    assert as_owner(shop.database, kept) == [(2,)]
    assert forget_erased_requests(reconciler) == 0
    _no_mark_is_late_any_more(shop)
    _again(shop, reconciler)

    assert forget_erased_requests(reconciler) == 1

    assert as_owner(shop.database, kept) == []
    assert _erase(shop, ops, 2).erasure_id != first.erasure_id


def test_one_that_cannot_be_erased_stops_no_other(
    shop: Shop, other: Shop, ops: Connection, reconciler: Connection
) -> None:
    """The coupon that the gate cannot read is closed and rebuilt; then the erasure ends."""
    for at, user in ((shop, 2), (other, 3)):
        _issued(at, user)
        with pytest.raises(RedisUnavailable):
            erase_user(_Down(shop.gate), ops, user, "a test", WEEK)  # type: ignore[arg-type]
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
