"""A rebuild streams, is safe against claims in flight, and can be done by hand at any time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from api.claim_results import ClaimOutcome, ClaimResult
from api.claim_writer import ClaimWriter
from api.ledger_connections import LedgerConnections
from coupons.gate import Gate, connect_gate, unavailable_reason
from coupons.gate.rebuild import rebuild
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.requests import count_requests, stream_requests
from coupons.model import Claim, GateState
from coupons.waiting import eventually
from operations.gate import report_gate
from tests.reconciler.conftest import Shop
from tests.support.databases import Database

USERS_PER_REBUILD = 8


def test_claims_in_flight_during_rebuilds_are_neither_lost_nor_too_many(
    shop: Shop, gate: Gate, database: Database, valkey_url: str
) -> None:
    """Twenty places, four hundred users, and the coupon is rebuilt again and again."""
    writer = ClaimWriter(
        connect_gate(valkey_url), LedgerConnections(database.url("coupon_api"), "test"), 1.0
    )
    stop = Event()
    rebuilt: list[int] = []

    def rebuild_again_and_again() -> None:
        with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
            while not stop.is_set():
                if (loaded := rebuild(gate, connection, shop.coupon_id)) is not None:
                    rebuilt.append(loaded)

    def claim(user: int) -> ClaimResult:
        # However the threads are scheduled, there are rebuilds among the claims.
        eventually(lambda: len(rebuilt) >= user // USERS_PER_REBUILD, 60, "one more rebuild")
        while True:
            [verdict] = writer.write([Claim(shop.coupon_id, user)])
            if verdict.outcome not in (*GateState, ClaimOutcome.EPOCH_OVER):
                return verdict

    with ThreadPoolExecutor(9) as threads:
        rebuilding = threads.submit(rebuild_again_and_again)
        try:
            verdicts = list(threads.map(claim, range(1, 401)))
        finally:
            stop.set()
        rebuilding.result()
    assert len(rebuilt) >= 400 // USERS_PER_REBUILD
    accepted = {each.request.user_id for each in verdicts if each.request is not None}
    assert len(accepted) == 20
    assert verdicts.count(ClaimResult(ClaimOutcome.SOLD_OUT)) == 380
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        assert {request.user_id for request in stream_requests(ops, shop.coupon_id)} == accepted
        counts = count_requests(ops, shop.coupon_id)
    [figures] = gate.figures([shop.coupon_id])
    assert figures is not None
    assert counts is not None
    assert (figures.pending, figures.places_left, counts.accepted) == (20, 0, 20)


def test_a_rebuild_tells_how_far_it_is(
    shop: Shop, gate: Gate, reconciler: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coupons.gate.rebuild._ROWS_PER_REPORT", 2)
    shop.accept(*range(1, 6))
    told: list[int] = []
    assert rebuild(gate, reconciler, shop.coupon_id, told.append) == 5
    assert told == [2, 4]


def test_the_report_says_why_a_coupon_is_closed(
    shop: Shop, gate: Gate, reconciler: Connection
) -> None:
    shop.accept(1, 2)
    shop.issue(1)
    [report] = report_gate(gate, reconciler, [shop.ledger()])
    assert report.unavailable_reason is None
    told = report.as_json()
    assert (told["places_left"], told["pending"], told["issued"]) == (18, 1, 1)
    assert 0 < told["memory_bytes"] < 100_000
    key = f"coupon:{{{shop.coupon_id}}}"
    for field, value, why in (
        ("epoch", "9", "fenced"),
        ("opened_under", "", "loading"),
        ("opened_under", "another", "stale"),
    ):
        gate.client.hset(key, field, value)
        [report] = report_gate(gate, reconciler, [shop.ledger()])
        assert report.unavailable_reason == why
    assert report.figures is not None
    assert report.figures.state is GateState.STALE
    gate.client.flushall()
    [report] = report_gate(gate, reconciler, [shop.ledger()])
    assert (report.unavailable_reason, report.memory) == ("missing", 0)
    assert unavailable_reason(None, shop.ledger()) == "missing"
