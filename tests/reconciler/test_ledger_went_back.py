"""The gate follows a ledger that went back in time: an asynchronous failover, a restore.

What went back is made by hand, as the owner of the tables, who can undo what others committed.
"""

from collections.abc import Callable

import pytest

from coupons.gate import Gate, GateFigures, open_coupon
from coupons.gate.rebuild import rebuild
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon, create_coupon
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import accept_requests, find_requests
from coupons.model import Coupon, IssueRequest, Status
from operations.repair.compare_and_repair import compare_and_repair
from operations.repair.repairs import Repair, RepairAction
from operations.verify.report import check_consistency
from reconciler.routine_pass import run_pass
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

AsOwner = Callable[[str], None]


@pytest.fixture
def as_owner(database: Database) -> AsOwner:
    def execute(statement: str) -> None:
        with connect_ledger(database.url("coupon_owner"), "test") as owner:
            owner.execute(statement.encode())

    return execute


def _figures(shop: Shop) -> GateFigures:
    [figures] = shop.gate.figures([shop.coupon_id])
    assert figures is not None
    return figures


@pytest.fixture
def only_one(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=1))


@pytest.fixture
def unrequested(only_one: Shop, database: Database, as_owner: AsOwner) -> IssueRequest:
    """User 1's row is lost by the failover, and its event, which is on the topic, is issued."""
    shop = only_one
    shop.accept(1)
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        [request] = find_requests(consumer, [(shop.coupon_id, 1)])
        as_owner("DELETE FROM coupon_issue_request")
        [outcome] = issue_or_reject(consumer, [request])
    shop.gate.settle([outcome.request])
    return outcome.request


def test_an_issued_coupon_without_its_request_is_named_and_gets_it_back(
    only_one: Shop, unrequested: IssueRequest, reconciler: Connection
) -> None:
    books = check_consistency(only_one.gate, reconciler, only_one.coupon_id)
    assert books is not None
    assert [(fault.user_id, fault.why) for fault in books.discrepancies] == [(1, "no_request")]
    repairs = list(compare_and_repair(only_one.gate, reconciler, only_one.ledger(), 10.0))
    assert [repair.action for repair in repairs] == [RepairAction.ROW_RESTORED]
    assert find_requests(reconciler, [(only_one.coupon_id, 1)]) == [unrequested]
    assert list(compare_and_repair(only_one.gate, reconciler, only_one.ledger(), 10.0)) == []
    books = check_consistency(only_one.gate, reconciler, only_one.coupon_id)
    assert books is not None
    assert books.complaints == []


@pytest.mark.parametrize("role", ["reconciler", "ops"])
def test_a_rebuild_does_not_offer_the_place_of_an_issued_coupon(
    only_one: Shop,
    unrequested: IssueRequest,
    reconciler: Connection,
    database: Database,
    role: str,
) -> None:
    """A rebuild does not offer the place of an issued coupon without its request."""
    with connect_ledger(database.url(f"coupon_{role}"), "test") as connection:
        as_operator = role == "ops"
        assert rebuild(only_one.gate, connection, only_one.coupon_id, as_operator=as_operator) == 1
    assert find_requests(reconciler, [(only_one.coupon_id, 1)]) == [unrequested]
    assert _figures(only_one).places_left == 0
    assert only_one.gate.read(only_one.coupon_id, [1]) == [unrequested]
    assert list(compare_and_repair(only_one.gate, reconciler, only_one.ledger(), 10.0)) == []


def test_a_ghost_without_an_outcome_is_still_thrown_out(shop: Shop, reconciler: Connection) -> None:
    shop.gate.settle([IssueRequest(shop.coupon_id, 9, 1_000, Status.ISSUED)])
    repairs = list(compare_and_repair(shop.gate, reconciler, shop.ledger(), 10.0))
    assert [repair.action for repair in repairs] == [RepairAction.FOR_REBUILD, RepairAction.REBUILT]
    assert shop.statuses(9) == [None]


def test_a_change_that_the_ledger_lost_does_not_stay_at_the_gate(
    shop: Shop, database: Database, reconciler: Connection, as_owner: AsOwner
) -> None:
    before = shop.ledger()
    with connect_ledger(database.url("coupon_api"), "test") as api:
        changed = change_coupon(api, shop.coupon_id, total_quantity=500)
    assert changed is not None
    shop.gate.define(changed)
    as_owner(f"UPDATE coupon SET total_quantity = 20, version = {before.version}")
    books = check_consistency(shop.gate, reconciler, shop.coupon_id)
    assert books is not None
    assert any("another version" in complaint for complaint in books.complaints)
    assert list(run_pass(shop.gate, reconciler, 10.0)) == [
        Repair(RepairAction.REBUILT, "ahead", shop.coupon_id, 0)
    ]
    assert (_figures(shop).total, _figures(shop).version) == (20, before.version)
    assert list(run_pass(shop.gate, reconciler, 10.0)) == []


def test_a_version_that_the_ledger_lost_is_not_given_to_another_change(
    shop: Shop, database: Database, as_owner: AsOwner
) -> None:
    before = shop.ledger()
    with connect_ledger(database.url("coupon_api"), "test") as api:
        lost = change_coupon(api, shop.coupon_id, total_quantity=500)
        assert lost is not None
        shop.gate.define(lost)
        as_owner(f"UPDATE coupon SET total_quantity = 20, version = {before.version}")
        other = change_coupon(api, shop.coupon_id, total_quantity=7)
    assert other is not None
    assert other.version > lost.version
    assert shop.gate.define(other)
    assert _figures(shop).total == 7


def test_an_epoch_that_the_ledger_lost_is_not_given_out_again(
    shop: Shop, gate: Gate, database: Database, reconciler: Connection, as_owner: AsOwner
) -> None:
    before = shop.ledger()
    assert rebuild(gate, reconciler, shop.coupon_id) == 0
    late = shop.admit(1)
    gate.client.flushall()
    as_owner(f"UPDATE coupon SET gate_epoch = {before.gate_epoch}")
    assert rebuild(gate, reconciler, shop.coupon_id) == 0
    with connect_ledger(database.url("coupon_api"), "test") as api:
        assert accept_requests(api, late) == set()
    assert shop.ledger().gate_epoch > late[0].epoch


def test_a_coupon_with_the_id_of_a_lost_one_is_not_taken_for_it(
    shop: Shop, gate: Gate, database: Database, reconciler: Connection, as_owner: AsOwner
) -> None:
    """A coupon made again under the id of a lost one is not taken for it."""
    lost = shop.ledger()
    shop.admit(1)
    as_owner("TRUNCATE coupon CASCADE")
    with connect_ledger(database.url("coupon_api"), "test") as api:
        made: Coupon | None = create_coupon(
            api,
            coupon_id=lost.coupon_id,
            name="another",
            total_quantity=1,
            issue_starts_at=None,
            issue_ends_at=None,
            eligible_group=None,
        )
    assert made is not None
    assert (made.gate_epoch > lost.gate_epoch, made.version > lost.version) == (True, True)
    assert open_coupon(gate, made)
    assert len(shop.admit(2)) == 1
    assert shop.statuses(1) == [None]
    assert _figures(shop).places_left == 0
