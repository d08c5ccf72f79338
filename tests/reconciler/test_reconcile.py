"""The gate is repaired from the ledger, and nobody loses a place or a coupon by it."""

import json

import pytest

from coupons.gate import Gate, open_coupon
from coupons.gate.rebuild import rebuild
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import begin_gate_epoch, change_coupon
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.rebuild_lock import alone_with
from coupons.ledger.requests import accept_requests, count_requests, find_requests
from coupons.model import Admission, Claim, Coupon, CouponState, GateState, Refusal, Status
from coupons.process.logging import JsonLines
from operations.repair.repairs import Repair, RepairAction
from reconciler.routine_pass import run_pass
from reconciler.watch import Watch
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


@pytest.fixture
def coupon(gate: Gate, make_coupon: MakeCoupon) -> Coupon:
    made = make_coupon(total_quantity=3)
    assert open_coupon(gate, made)
    return made


def _pass(gate: Gate, connection: Connection) -> list[Repair]:
    return list(run_pass(gate, connection, pending_after_s=0.0))


def _admit(gate: Gate, coupon: Coupon, *users: int) -> list[Admission]:
    decisions = gate.admit([Claim(coupon.coupon_id, user) for user in users])
    return [decision for decision in decisions if isinstance(decision, Admission)]


def _accept(database: Database, admissions: list[Admission]) -> set[int]:
    with connect_ledger(database.url("coupon_api"), "test") as api:
        return accept_requests(api, admissions)


def _issue(database: Database, coupon: Coupon, *users: int) -> None:
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        requests = find_requests(consumer, [(coupon.coupon_id, user) for user in users])
        issue_or_reject(consumer, requests)


def test_a_gate_that_agrees_with_the_ledger_is_left_alone(
    gate: Gate, database: Database, reconciler: Connection, coupon: Coupon
) -> None:
    _accept(database, _admit(gate, coupon, 1, 2))
    assert _pass(gate, reconciler) == []


def test_an_admitted_claim_that_was_never_written_is_rolled_forward(
    gate: Gate, reconciler: Connection, coupon: Coupon, caplog: pytest.LogCaptureFixture
) -> None:
    [admission] = _admit(gate, coupon, 1)
    assert _pass(gate, reconciler) == [
        Repair(RepairAction.ROLLED_FORWARD, "pending", coupon.coupon_id, 1)
    ]
    [request] = find_requests(reconciler, [(coupon.coupon_id, 1)])
    assert request.requested_at_us == admission.requested_at_us
    assert gate.compensate([admission]) == 0, "the late API process must not give the place back"
    [line] = [each for each in map(JsonLines().format, caplog.records) if request.id in each]
    assert json.loads(line)["message"] == "rolled forward"


def test_a_missing_mark_is_made_from_the_ledger(
    gate: Gate, database: Database, reconciler: Connection, coupon: Coupon
) -> None:
    _accept(database, _admit(gate, coupon, 1, 2))
    _issue(database, coupon, 1)
    assert _pass(gate, reconciler) == [Repair(RepairAction.MARKED, "pending", coupon.coupon_id, 1)]
    read = gate.read(coupon.coupon_id, [1, 2])
    assert not isinstance(read, GateState)
    assert [request and request.status for request in read] == [Status.ISSUED, Status.REQUESTED]


def test_a_flushed_gate_is_rebuilt_with_every_request_in_its_status(
    gate: Gate, database: Database, reconciler: Connection, coupon: Coupon
) -> None:
    _accept(database, _admit(gate, coupon, 1, 2))
    _issue(database, coupon, 1)
    gate.client.flushall()
    assert gate.admit([Claim(coupon.coupon_id, 3)]) == [GateState.MISSING]
    assert _pass(gate, reconciler) == [Repair(RepairAction.REBUILT, "missing", coupon.coupon_id, 2)]
    read = gate.read(coupon.coupon_id, [1, 2, 3])
    assert not isinstance(read, GateState)
    assert [request and request.status for request in read] == [
        Status.ISSUED,
        Status.REQUESTED,
        None,
    ]
    third, fourth = gate.admit([Claim(coupon.coupon_id, user) for user in (3, 4)])
    assert isinstance(third, Admission)
    assert fourth is Refusal.SOLD_OUT


def test_a_claim_admitted_before_a_rebuild_is_not_accepted_after_it(
    gate: Gate, database: Database, reconciler: Connection, coupon: Coupon
) -> None:
    """Its place is not held any more: accepting it could promise more places than there are."""
    before = _admit(gate, coupon, 1)
    gate.client.flushall()
    _pass(gate, reconciler)
    assert _accept(database, before) == set()
    assert _accept(database, _admit(gate, coupon, 1)) == {coupon.coupon_id}


def test_a_gate_whose_epoch_is_over_is_rebuilt(
    gate: Gate, database: Database, reconciler: Connection, coupon: Coupon
) -> None:
    """A rebuild ended after its fence: the gate is open, and what it admits is not accepted."""
    begin_gate_epoch(reconciler, coupon.coupon_id)
    assert _accept(database, _admit(gate, coupon, 1)) == set()
    assert [repair.coupon_id for repair in _pass(gate, reconciler)] == [coupon.coupon_id]
    assert _accept(database, _admit(gate, coupon, 1)) == {coupon.coupon_id}


def test_a_change_that_the_gate_missed_is_taken_over(
    gate: Gate, database: Database, reconciler: Connection, coupon: Coupon
) -> None:
    with connect_ledger(database.url("coupon_api"), "test") as api:
        change_coupon(api, coupon.coupon_id, state=CouponState.PAUSED)
    assert _pass(gate, reconciler) == [
        Repair(RepairAction.REDEFINED, "definition", coupon.coupon_id, 0)
    ]
    assert gate.admit([Claim(coupon.coupon_id, 1)]) == [Refusal.PAUSED]


def test_a_coupon_that_was_created_while_the_gate_was_away_is_opened(
    gate: Gate, reconciler: Connection, make_coupon: MakeCoupon
) -> None:
    made = make_coupon(total_quantity=1)
    assert _pass(gate, reconciler) == [Repair(RepairAction.REBUILT, "missing", made.coupon_id, 0)]
    assert len(_admit(gate, made, 1)) == 1


def test_many_pending_requests_are_settled_in_one_pass(
    gate: Gate, database: Database, reconciler: Connection, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=2000)
    open_coupon(gate, coupon)
    admissions = _admit(gate, coupon, *range(1, 1301))
    _accept(database, admissions[:600])
    repairs = _pass(gate, reconciler)
    assert sum(r.requests for r in repairs if r.action is RepairAction.ROLLED_FORWARD) == 700
    counts = count_requests(reconciler, coupon.coupon_id)
    assert counts is not None
    assert counts.accepted == 1300


def test_a_fence_without_its_rebuild_closes_the_coupon_for_one_pass_only(
    gate: Gate, database: Database, reconciler: Connection, coupon: Coupon
) -> None:
    """Its reconciler died between the two: the gate admits what the ledger accepts no more."""
    begin_gate_epoch(reconciler, coupon.coupon_id)
    assert _accept(database, _admit(gate, coupon, 1)) == set()
    assert _pass(gate, reconciler) == [Repair(RepairAction.REBUILT, "fenced", coupon.coupon_id, 0)]
    assert _accept(database, _admit(gate, coupon, 1)) == {coupon.coupon_id}


def test_a_restored_ledger_is_rebuilt_above_the_epoch_of_the_gate(
    gate: Gate, database: Database, reconciler: Connection, coupon: Coupon
) -> None:
    """A ledger restored from an older backup is rebuilt above the gate's epoch."""
    for _ in range(2):
        assert rebuild(gate, reconciler, coupon.coupon_id) == 0
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute("UPDATE coupon SET gate_epoch = 1")
    assert _pass(gate, reconciler) == [Repair(RepairAction.REBUILT, "fenced", coupon.coupon_id, 0)]
    assert _accept(database, _admit(gate, coupon, 1)) == {coupon.coupon_id}


def test_two_never_rebuild_one_coupon_at_once(
    gate: Gate, database: Database, reconciler: Connection, coupon: Coupon
) -> None:
    other_way: list[object] = []
    with connect_ledger(database.url("coupon_reconciler"), "test") as another:
        with alone_with(reconciler, coupon.coupon_id):
            other_way.append(rebuild(gate, another, coupon.coupon_id))
        other_way.append(rebuild(gate, another, coupon.coupon_id))
    assert other_way == [None, 0]


def test_every_pending_request_is_reached_however_many_are_in_flight(
    gate: Gate,
    database: Database,
    reconciler: Connection,
    make_coupon: MakeCoupon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every pending request is reached however many are merely in flight."""
    monkeypatch.setattr("reconciler.routine_pass.PENDING_PER_PASS", 3)
    coupon = make_coupon()
    open_coupon(gate, coupon)
    for user in range(1, 10):
        admitted = _admit(gate, coupon, user)
        if user != 8:
            _accept(database, admitted)
    watch = Watch(compare_every_s=0)
    passes = [list(run_pass(gate, reconciler, 0.0, watch)) for _ in range(6)]
    assert [len(repairs) for repairs in passes].count(1) == 1
    assert find_requests(reconciler, [(coupon.coupon_id, 8)])


def test_after_a_restart_of_redis_awaited_coupons_are_rebuilt_first(
    gate: Gate, reconciler: Connection, database: Database, make_coupon: MakeCoupon
) -> None:
    """After a restart of redis the coupons that people wait for are rebuilt first."""
    oldest, newer, newest = (make_coupon(total_quantity=3).coupon_id for _ in range(3))
    with connect_ledger(database.url("coupon_api"), "test") as api:
        change_coupon(api, newest, state=CouponState.CLOSED)
    assert [repair.coupon_id for repair in _pass(gate, reconciler)] == [newer, oldest, newest]


def test_a_pass_over_many_coupons_asks_redis_a_few_times(
    gate: Gate, reconciler: Connection, make_coupon: MakeCoupon
) -> None:
    """A pass over many coupons with claims in flight asks redis a few times."""
    coupons = [make_coupon() for _ in range(30)]
    for each in coupons:
        open_coupon(gate, each)
        _admit(gate, each, 1)
    list(run_pass(gate, reconciler, pending_after_s=60.0))  # has the scripts loaded
    before = gate.client.info("stats")["total_reads_processed"]
    assert list(run_pass(gate, reconciler, pending_after_s=60.0)) == []
    assert gate.client.info("stats")["total_reads_processed"] - before < len(coupons)
