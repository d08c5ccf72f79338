"""Keys of a coupon that hold something else: seen by whoever meets them, and never passed over."""

import pytest

from coupons.gate import Gate
from coupons.gate.values import coupon_key
from coupons.ledger.connection import Connection
from coupons.model import Claim, GateState
from operations.repair.compare_and_repair import compare_and_repair
from operations.verify.report import check_consistency
from reconciler.routine_pass import run_pass
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

USERS = 2_500
"""More than a comparison reads at once, so that it ends in the middle of the ledger's rows."""


@pytest.fixture
def crowded(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    """Everybody has a coupon; the key of some of them has another type."""
    shop = Shop(gate, database, make_coupon(total_quantity=2 * USERS))
    users = range(1, USERS + 1)
    shop.accept(*users)
    shop.issue(*users)
    [figures] = gate.figures([shop.coupon_id])
    assert figures is not None
    key = f"{coupon_key(shop.coupon_id)}:{figures.epoch}:settled:1"
    gate.client.delete(key)
    gate.client.set(key, "of another type")
    return shop


def test_what_cannot_be_compared_does_not_add_up(
    crowded: Shop, gate: Gate, reconciler: Connection, shop: Shop
) -> None:
    books = check_consistency(gate, reconciler, crowded.coupon_id)
    assert books is not None
    assert books.complaints
    # The connection is as good as before: the books of the next coupon are read over it.
    other = check_consistency(gate, reconciler, shop.coupon_id)
    assert other is not None
    assert other.complaints == []


def test_a_comparison_that_meets_them_rebuilds_the_coupon(
    crowded: Shop, gate: Gate, reconciler: Connection
) -> None:
    [repair] = list(compare_and_repair(gate, reconciler, crowded.ledger(), 10.0))
    assert (repair.kind, repair.requests) == ("rebuilt_unreadable", USERS)
    books = check_consistency(gate, reconciler, crowded.coupon_id)
    assert books is not None
    assert books.complaints == []


def test_a_claim_that_meets_them_has_the_next_pass_rebuild_the_coupon(
    crowded: Shop, gate: Gate, reconciler: Connection
) -> None:
    [figures] = gate.figures([crowded.coupon_id])
    assert figures is not None
    in_that_shard = figures.shards + 1
    assert gate.admit([Claim(crowded.coupon_id, in_that_shard)]) == [GateState.UNREADABLE]
    assert gate.unavailable([crowded.coupon_id]) == [GateState.STALE]
    assert [each.kind for each in run_pass(gate, reconciler, 10.0)] == ["rebuilt_loading"]
    assert crowded.statuses(in_that_shard) == ["ISSUED"]
