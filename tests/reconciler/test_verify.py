"""The conservation check names what does not add up."""

import pytest

from connectors.slot import Slot, read_slot
from connectors.stream_state import StreamState
from coupons.gate import Gate, open_coupon
from coupons.ids import request_id
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import begin_gate_epoch
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import (
    accept_requests,
    count_requests,
    find_requests,
    stream_requests,
)
from coupons.model import Admission, Claim, Coupon, IssueRequest, RequestCounts, Status
from operations.verify import report
from operations.verify.in_flight import explain_in_flight
from operations.verify.mismatch import MismatchKind
from operations.verify.report import ConsistencyReport, check_consistency
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon, make_coupon

__all__ = ["make_coupon"]

USERS = (1, 2, 3)


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
        gate.settle(outcome.request for outcome in issue_or_reject(consumer, requests))
    return coupon


def _complaints(gate: Gate, ops: Connection, coupon: Coupon) -> list[str]:
    books = check_consistency(gate, ops, coupon.coupon_id)
    assert books is not None
    return books.complaints


def _whys(gate: Gate, ops: Connection, coupon: Coupon) -> set[tuple[int, str]]:
    books = check_consistency(gate, ops, coupon.coupon_id)
    assert books is not None
    return {(fault.user_id, fault.why) for fault in books.discrepancies}


def test_books_that_add_up_have_no_complaints(gate: Gate, ops: Connection, issued: Coupon) -> None:
    assert _complaints(gate, ops, issued) == []


def test_an_unknown_coupon_has_no_books(gate: Gate, ops: Connection) -> None:
    assert check_consistency(gate, ops, 999) is None


def test_a_request_that_redis_forgot_is_named(gate: Gate, ops: Connection, issued: Coupon) -> None:
    gate.client.hdel(f"coupon:{{{issued.coupon_id}}}:{issued.gate_epoch}:settled:0", "2")
    books = check_consistency(gate, ops, issued.coupon_id)
    assert books is not None
    [fault] = books.discrepancies
    assert (fault.user_id, fault.why) == (2, MismatchKind.MISSING_MARK)
    assert books.complaints == [
        f"request {request_id(issued.coupon_id, 2)} of user 2: missing_mark,"
        " ISSUED in the ledger, unknown at the gate"
    ]


def test_issued_in_redis_without_a_row_is_noticed(
    gate: Gate, ops: Connection, issued: Coupon
) -> None:
    gate.settle([IssueRequest(issued.coupon_id, 9, 1, Status.ISSUED)])
    complaints = _complaints(gate, ops, issued)
    assert complaints[0].startswith("the gate marked 4 issued")
    assert complaints[-1].endswith("user 9: ghost, no row in the ledger, ISSUED at the gate")


def test_a_row_that_was_lost_is_noticed(
    gate: Gate, ops: Connection, issued: Coupon, database: Database
) -> None:
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute("DELETE FROM issued_coupon WHERE user_id = 2")
    complaints = _complaints(gate, ops, issued)
    assert "1 accepted requests are not final" in complaints
    assert _whys(gate, ops, issued) == {(2, "ghost"), (2, "in_flight")}


def test_an_admitted_claim_without_a_row_is_noticed(
    gate: Gate, ops: Connection, issued: Coupon, make_coupon: MakeCoupon
) -> None:
    other = make_coupon()
    open_coupon(gate, other)
    gate.admit([Claim(other.coupon_id, 1)])
    complaints = _complaints(gate, ops, other)
    assert complaints[0] == "1 admitted claims are neither accepted nor compensated"
    assert _whys(gate, ops, other) == {(1, "unwritten")}


def test_a_gate_that_lost_the_coupon_is_noticed(
    gate: Gate, ops: Connection, issued: Coupon
) -> None:
    gate.client.flushall()
    assert _complaints(gate, ops, issued) == ["the gate is unavailable for this coupon: missing"]


def test_claims_that_come_in_during_the_check_are_said(
    gate: Gate, ops: Connection, make_coupon: MakeCoupon, monkeypatch: pytest.MonkeyPatch
) -> None:
    coupon = make_coupon(total_quantity=3)
    open_coupon(gate, coupon)
    quiet = check_consistency(gate, ops, coupon.coupon_id)
    assert quiet is not None
    assert (quiet.complaints, quiet.claims_came_in) == ([], False)

    def count_after_a_claim(connection: Connection, coupon_id: int) -> RequestCounts | None:
        gate.admit([Claim(coupon_id, 1)])
        return count_requests(connection, coupon_id)

    monkeypatch.setattr(report, "count_requests", count_after_a_claim)
    busy = check_consistency(gate, ops, coupon.coupon_id)
    assert busy is not None
    assert busy.claims_came_in
    assert busy.complaints == ["1 admitted claims are neither accepted nor compensated"]


def test_counts_of_the_coupons_row_that_are_wrong_are_noticed(
    gate: Gate, ops: Connection, issued: Coupon, database: Database
) -> None:
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute("UPDATE coupon SET issued_count = 2")
    [complaint] = _complaints(gate, ops, issued)
    assert "the coupon's own counts are wrong" in complaint


def test_of_many_faults_some_are_named_and_all_are_counted(
    gate: Gate, ops: Connection, issued: Coupon
) -> None:
    for user in USERS:
        gate.client.hdel(f"coupon:{{{issued.coupon_id}}}:{issued.gate_epoch}:settled:0", str(user))
    books = check_consistency(gate, ops, issued.coupon_id, keep=2)
    assert books is not None
    assert len(books.discrepancies) == 2
    assert books.discrepancy_counts == {"missing_mark": 3}


NOW_US = 1_900_000_000_000_000
"""Long after every request of these tests."""


def _stream(heartbeat_us: int, behind: int | None, trouble: str | None = None) -> StreamState:
    slot = Slot(0, None, True, True, True, True, "reserved", None, 0, 0)
    return StreamState(slot, NOW_US, "RUNNING", True, heartbeat_us, behind, trouble)


def _in_flight(
    gate: Gate, ops: Connection, database: Database, coupon: Coupon
) -> ConsistencyReport:
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute("DELETE FROM issued_coupon WHERE user_id = 2")
        owner.execute("UPDATE coupon SET issued_count = issued_count - 1")
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        fenced = begin_gate_epoch(reconciler, coupon.coupon_id)
    assert fenced is not None
    assert open_coupon(gate, fenced, stream_requests(ops, coupon.coupon_id))
    books = check_consistency(gate, ops, coupon.coupon_id)
    assert books is not None
    assert [(fault.user_id, fault.why) for fault in books.discrepancies] == [(2, "in_flight")]
    return books


def test_a_request_whose_event_is_nowhere_any_more_is_called_lost(
    gate: Gate, ops: Connection, issued: Coupon, database: Database
) -> None:
    """A younger heartbeat came through, nothing is behind, and still it has no outcome."""
    books = _in_flight(gate, ops, database, issued)
    [judged], _ = explain_in_flight([books], lambda: _stream(NOW_US + 1, 0), {}, ops)
    assert [fault.why for fault in judged.discrepancies] == ["lost"]
    assert judged.discrepancy_counts == {"lost": 1}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (_stream(NOW_US - 1, 0), "in flight"),
        (_stream(NOW_US + 1, 3), "the consumers are 3 events behind"),
        (_stream(NOW_US + 1, None, "no broker"), "Kafka does not answer"),
    ],
)
def test_while_the_stream_has_not_passed_a_request_it_is_in_flight(
    gate: Gate,
    ops: Connection,
    issued: Coupon,
    database: Database,
    state: StreamState,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("operations.verify.in_flight.PASSES_WITHIN_SECONDS", 0.1)
    books = _in_flight(gate, ops, database, issued)
    [judged], _ = explain_in_flight([books], lambda: state, {}, ops)
    [fault] = judged.discrepancies
    assert fault.why == "in_flight"
    assert told in fault.sentence


def test_a_dead_letter_is_told_as_one(
    gate: Gate, ops: Connection, issued: Coupon, database: Database
) -> None:
    books = _in_flight(gate, ops, database, issued)
    letters = {(issued.coupon_id, 2): "0:17"}
    [judged], _ = explain_in_flight([books], lambda: _stream(NOW_US + 1, 0), letters, ops)
    assert [fault.why for fault in judged.discrepancies] == ["dead_letter"]
    assert "0:17" in judged.complaints[-1]


def test_a_lost_slot_is_a_fault_and_a_stopped_connector_is_unknown(
    ops: Connection,
) -> None:
    """Every test database lives on a server without the project's slot."""
    slot = read_slot(ops)
    assert not slot.exists
    state = _stream(0, 0)._replace(slot=slot, connector_runs=False, connector="PAUSED")
    assert state.losses == [
        "the replication slot coupon_cdc is gone: `coupon connector recover` repairs it"
    ]
    assert state.unknown == ["the connector does not run: PAUSED"]
