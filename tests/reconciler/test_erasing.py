"""A user is erased in ledger and gate, in an order that survives being cut off anywhere."""

import pytest

from coupons.errors import RedisUnavailable
from coupons.gate.erasing import erase_user, preview_erasure
from coupons.gate.rebuild import rebuild
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.connection import Connection
from coupons.ledger.erasures import (
    UserInFlight,
    end_erasure,
    find_erasure,
    find_replaced,
)
from coupons.ledger.requests import accept_requests, find_requests
from coupons.queries import query
from reconciler.routine_pass import run_pass
from reconciler.watch import Watch
from tests.reconciler.conftest import Shop
from tests.reconciler.erasures import AT_GATE, WEEK, Down, again, agree, erase, issued, users
from tests.support.issued import as_owner


def test_gate_and_ledger_agree_about_who_was_erased(shop: Shop, ops: Connection) -> None:
    """The place stays used and the counts add up; the gate does not know the user any more."""
    issued(shop, 1, 2, 3)

    proof = erase(shop, ops, 2)

    assert proof.counts["issued_coupon"] == proof.counts["coupon_issue_request"] == 1
    assert proof.at_gate_since is not None
    assert shop.statuses(1, 2, 3) == ["ISSUED", None, "ISSUED"]
    others, [nobody] = users(shop.database)[:2], users(shop.database)[2:]
    assert others == [1, 3]
    assert nobody >= FIRST_ERASED_ID
    assert shop.statuses(nobody) == ["ISSUED"]
    assert shop.ledger().issued_count == 3
    agree(shop, ops)


def test_who_was_erased_may_claim_again(shop: Shop, ops: Connection) -> None:
    """To us it is a new user: the request gets a place of its own while there are any."""
    issued(shop, 2)
    erase(shop, ops, 2)

    issued(shop, 2)

    assert shop.statuses(2) == ["ISSUED"]
    assert shop.ledger().issued_count == 2
    agree(shop, ops)


def test_nobody_is_erased_while_a_request_is_in_flight(shop: Shop, ops: Connection) -> None:
    """What is not final would bring the user back; nothing is done."""
    shop.accept(2)

    with pytest.raises(UserInFlight, match="not final"):
        erase(shop, ops, 2)

    shop.issue(2, mark=False)
    with pytest.raises(UserInFlight, match="not final"):
        erase(shop, ops, 2)
    assert users(shop.database) == [2]
    assert as_owner(shop.database, "SELECT FROM erasure") == []


def test_nobody_is_erased_before_an_admitted_claim_is_written(
    shop: Shop, other: Shop, ops: Connection, reconciler: Connection
) -> None:
    """The reconciler writes it; done before, the erasure would not have it."""
    issued(shop, 2)
    other.admit(2)
    with pytest.raises(UserInFlight, match="not final"):
        erase(shop, ops, 2)

    list(run_pass(shop.gate, reconciler, 0, Watch(0)))
    other.issue(2)
    erase(shop, ops, 2)
    assert 2 not in users(shop.database)


def test_a_coupon_whose_row_is_unreadable_is_asked_as_others_are(
    shop: Shop, other: Shop, ops: Connection
) -> None:
    """Its gate may have admitted a claim, too."""
    issued(shop, 2)
    other.admit(2)
    spoil = "UPDATE coupon SET created_at = 'infinity' WHERE coupon_id = %s"
    as_owner(shop.database, spoil, other.coupon_id)
    with pytest.raises(UserInFlight, match="not final"):
        erase(shop, ops, 2)
    assert as_owner(shop.database, "SELECT FROM erasure") == []


def test_nobody_is_erased_while_a_gate_cannot_say_whom_it_has_admitted(
    shop: Shop, other: Shop, ops: Connection, api: Connection, reconciler: Connection
) -> None:
    """After a restart of Redis a claim is written until the rebuild begins."""
    issued(shop, 2)
    admissions = other.admit(2)
    key = f"coupon:{{{other.coupon_id}}}"
    shop.gate.client.hset(key, "opened_under", "the server before its restart")
    says = f"unavailable for coupon {other.coupon_id},.*`coupon gate status` says why"
    with pytest.raises(UserInFlight, match=says):
        erase(shop, ops, 2)
    assert as_owner(shop.database, "SELECT FROM erasure") == []

    assert accept_requests(api, admissions) == {other.coupon_id}
    assert rebuild(shop.gate, reconciler, other.coupon_id)
    other.issue(2)
    erase(shop, ops, 2)
    assert 2 not in users(shop.database)


def test_erasing_again_shows_the_same_proof(shop: Shop, ops: Connection) -> None:
    """A repeated call erases nothing more, and is answered as the first one."""
    issued(shop, 2)
    first = erase(shop, ops, 2)

    assert erase(shop, ops, 2) == first
    assert find_erasure(ops, first.erasure_id) == first


def test_a_dry_run_counts_and_changes_nothing(shop: Shop, ops: Connection) -> None:
    """Its counts are those of the erasure that follows."""
    issued(shop, 2)

    counts = preview_erasure(ops, 2)

    assert users(shop.database) == [2]
    assert erase(shop, ops, 2).counts == counts
    assert not any(preview_erasure(ops, 2).values())


def test_repeating_ends_an_erasure_that_was_cut_off(shop: Shop, ops: Connection) -> None:
    """The ledger has forgotten the user, the gate not: calling again is enough."""
    issued(shop, 1, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    assert shop.statuses(2) == ["ISSUED"]

    proof = erase(shop, ops, 2)

    assert proof.at_gate_since is not None
    assert proof.counts["issued_coupon"] == 1
    assert shop.statuses(2) == [None]
    assert as_owner(shop.database, "SELECT FROM erased_request WHERE at_gate_since IS NULL") == []
    agree(shop, ops)


def test_the_reconciler_ends_an_erasure_that_was_cut_off(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """Nobody has to call again."""
    issued(shop, 1, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]

    [proof] = again(shop, reconciler)

    assert proof.at_gate_since is not None
    assert shop.statuses(2) == [None]
    assert again(shop, reconciler) == []
    agree(shop, ops)


def test_what_another_call_has_erased_is_not_taken_for_done(
    shop: Shop, other: Shop, ops: Connection, reconciler: Connection
) -> None:
    """A call that ends says that the gate has what it replaced there, and nothing else."""
    issued(shop, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    seen = find_replaced(ops, 2)
    shop.gate.erase(seen)
    issued(other, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]

    end_erasure(ops, 2, seen, 120)

    assert as_owner(shop.database, AT_GATE) == [(True,), (False,)]
    assert [each.mark.coupon_id for each in find_replaced(ops, 2)][-1] == other.coupon_id
    assert again(shop, reconciler)
    assert other.statuses(2) == [None]
    assert as_owner(shop.database, AT_GATE) == [(True,), (True,)]


def test_every_proof_says_when_the_gate_had_forgotten(
    shop: Shop, other: Shop, ops: Connection
) -> None:
    """Also that of a call that was cut off, and that of a user without requests."""
    issued(shop, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    issued(other, 2)
    erase(shop, ops, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(Down(shop.gate), ops, 3, "a test", WEEK)  # type: ignore[arg-type]

    assert as_owner(shop.database, AT_GATE) == [(True,), (True,), (True,)]


def test_a_gate_rebuilt_after_the_cut_needs_nothing(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """It has read the id that replaced the user; the repeated step counts nothing twice."""
    issued(shop, 1, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    assert rebuild(shop.gate, reconciler, shop.coupon_id) == 2

    erase(shop, ops, 2)

    assert shop.statuses(2) == [None]
    agree(shop, ops)


def test_a_repair_before_the_gates_step_is_not_counted_twice(shop: Shop, ops: Connection) -> None:
    """The reconciler may have marked the new id already: then the user's mark only goes."""
    issued(shop, 1, 2)
    with pytest.raises(RedisUnavailable):
        erase_user(Down(shop.gate), ops, 2, "a test", WEEK)  # type: ignore[arg-type]
    nobody = users(shop.database)[-1]
    shop.gate.settle(find_requests(ops, [(shop.coupon_id, nobody)]))

    erase(shop, ops, 2)

    assert shop.statuses(2) == [None]
    agree(shop, ops)


def test_nobody_is_erased_during_a_rebuild(
    shop: Shop, ops: Connection, reconciler: Connection
) -> None:
    """It may have read the user already, and would bring them back."""
    issued(shop, 2)

    reconciler.execute(query("lock_rebuild"), {"coupon_id": shop.coupon_id})

    with pytest.raises(UserInFlight, match="rebuilt"):
        erase(shop, ops, 2)

    assert users(shop.database) == [2]
