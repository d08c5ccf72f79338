"""The conservation check names what does not add up."""

from collections.abc import Iterator

import pytest

from coupons.gate import Gate, connect_gate, open_coupon
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.issued_coupons import issue_requests
from coupons.ledger.requests import accept_requests, find_requests
from coupons.model import Admission, Claim, Coupon, IssueRequest, Status
from ops.verify import Difference, check_books
from tests.databases import Database
from tests.ledger.conftest import MakeCoupon, make_coupon

__all__ = ["make_coupon"]

USERS = (1, 2, 3)


@pytest.fixture
def gate(valkey_url: str) -> Gate:
    return connect_gate(valkey_url)


@pytest.fixture
def ops(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_ops"), "test") as connection:
        yield connection


@pytest.fixture
def issued(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Coupon:
    """A coupon whose requests are all issued and marked."""
    coupon = make_coupon(total_quantity=3)
    open_coupon(gate, coupon)
    decisions = gate.admit([Claim(coupon.coupon_id, user) for user in USERS])
    with connect_ledger(database.url("coupon_api"), "test") as api:
        accept_requests(api, [each for each in decisions if isinstance(each, Admission)])
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        requests = find_requests(consumer, [(coupon.coupon_id, user) for user in USERS])
        gate.settle(outcome.request for outcome in issue_requests(consumer, requests))
    return coupon


def _complaints(gate: Gate, ops: Connection, coupon: Coupon) -> list[str]:
    books = check_books(gate, ops, coupon.coupon_id)
    assert books is not None
    return books.complaints


def test_books_that_add_up_have_no_complaints(gate: Gate, ops: Connection, issued: Coupon) -> None:
    assert _complaints(gate, ops, issued) == []


def test_an_unknown_coupon_has_no_books(gate: Gate, ops: Connection) -> None:
    assert check_books(gate, ops, 999) is None


def test_a_request_that_redis_forgot_is_named(gate: Gate, ops: Connection, issued: Coupon) -> None:
    gate.client.hdel(f"coupon:{{{issued.coupon_id}}}:1:settled:0", "2")
    books = check_books(gate, ops, issued.coupon_id)
    assert books is not None
    assert books.differences == [Difference(issued.coupon_id, 2, "ISSUED", None)]
    assert books.complaints == ["user 2: ISSUED in the ledger, unknown at the gate"]


def test_issued_in_redis_without_a_row_is_noticed(
    gate: Gate, ops: Connection, issued: Coupon
) -> None:
    gate.settle([IssueRequest(issued.coupon_id, 9, 1, Status.ISSUED)])
    [complaint] = _complaints(gate, ops, issued)
    assert complaint.startswith("the gate marked 4 issued")


def test_a_row_that_was_lost_is_noticed(
    gate: Gate, ops: Connection, issued: Coupon, database: Database
) -> None:
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute("DELETE FROM issued_coupon WHERE user_id = 2")
    complaints = _complaints(gate, ops, issued)
    assert "1 accepted requests are not final" in complaints
    assert "user 2: REQUESTED in the ledger, ISSUED at the gate" in complaints


def test_an_admitted_claim_without_a_row_is_noticed(
    gate: Gate, ops: Connection, issued: Coupon, make_coupon: MakeCoupon
) -> None:
    other = make_coupon()
    open_coupon(gate, other)
    gate.admit([Claim(other.coupon_id, 1)])
    assert _complaints(gate, ops, other) == [
        "1 admitted claims are neither accepted nor compensated"
    ]


def test_a_gate_that_lost_the_coupon_is_noticed(
    gate: Gate, ops: Connection, issued: Coupon
) -> None:
    gate.client.flushall()
    complaints = _complaints(gate, ops, issued)
    assert "the gate does not have the coupon" in complaints
    assert len(complaints) == 1 + len(USERS)
