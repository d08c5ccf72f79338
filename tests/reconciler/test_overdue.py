"""What should be final by now is found without reading requests of coupons in order."""

from datetime import UTC, datetime, timedelta

import pytest

from coupons.gate import Gate, connect_gate
from coupons.ledger.connection import Connection, connect_ledger
from operations.doctor.requests import count_overdue
from stack.ports import HOST, free_ports
from tests.reconciler.conftest import Shop
from tests.support.databases import Database


@pytest.fixture
def later() -> datetime:
    """A moment before which everything was requested that a test requests."""
    return datetime.now(UTC) + timedelta(hours=1)


def test_a_request_that_is_not_final_is_counted_with_its_moment(
    shop: Shop, gate: Gate, ops: Connection, later: datetime
) -> None:
    shop.accept(1, 2, 3)
    shop.issue(1)
    found = count_overdue(gate, ops, later)
    assert found.requests == 2
    assert found.oldest is not None
    assert count_overdue(gate, ops, found.oldest).requests == 0


def test_a_request_that_the_gate_forgot_is_counted(
    shop: Shop, gate: Gate, ops: Connection, later: datetime
) -> None:
    shop.accept(1, 2)
    shop.forget(1, 2)
    assert count_overdue(gate, ops, later).requests == 2


@pytest.mark.parametrize("away", ["flushed", "down"])
def test_without_the_gate_the_ledger_alone_is_asked(
    shop: Shop, gate: Gate, ops: Connection, later: datetime, away: str
) -> None:
    shop.accept(1, 2)
    if away == "flushed":
        gate.client.flushall()
    else:
        gate = connect_gate(f"redis://{HOST}:{free_ports(['none'])['none']}/0")
    assert count_overdue(gate, ops, later).requests == 2


def test_requests_of_coupons_in_order_are_not_read(
    shop: Shop, gate: Gate, database: Database, ops: Connection, later: datetime
) -> None:
    shop.accept(1, 2)
    shop.issue(1, 2)
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        # Whoever reads the requests waits for this, and gives up after a second.
        ops.execute("SET lock_timeout = '1s'")
        with owner.transaction():
            owner.execute("LOCK TABLE coupon_issue_request")
            assert count_overdue(gate, ops, later).requests == 0
