"""Archived coupons cost nothing, however many they are, and however many users they had."""

from collections import Counter
from time import monotonic
from typing import Any

import psycopg
import pytest

from coupons.gate import Gate, open_coupon
from coupons.gate.forgetting import forget_archived
from coupons.ledger.connection import Connection, connect_ledger
from operations.verify.report import await_consistency, check_consistency
from tests.reconciler.conftest import USERS, Archive, Pass, Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

WAIT_SECONDS = 40.0

STATEMENTS = 3
"""Of a pass: the coupons, their audiences, the newest archived one."""


def test_many_are_forgotten_a_hundred_at_a_time(
    gate: Gate,
    reconciler: Connection,
    make_coupon: MakeCoupon,
    archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coupons.gate.forgetting.MOST_AT_ONCE", 2)
    made = [make_coupon() for _ in range(3)]
    for coupon in made:
        assert open_coupon(gate, coupon)
        archive(coupon.coupon_id)
    first, second, third = (coupon.coupon_id for coupon in made)
    assert forget_archived(gate, reconciler, []) == ([first, second], False)
    assert forget_archived(gate, reconciler, []) == ([third], True)
    assert forget_archived(gate, reconciler, []) == ([], True)


def test_archived_coupons_cost_a_pass_nothing(
    gate: Gate,
    database: Database,
    settled: Shop,
    make_pass: Pass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Statements at Postgres and commands at Redis are the same with none and with fifty.

    And no key is searched.
    """
    statements = 0
    execute = psycopg.Cursor.execute

    def counted(self: Any, *arguments: Any, **more: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(self, *arguments, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)

    def cost() -> tuple[int, Counter[str]]:
        nonlocal statements
        statements = 0
        before = commands(gate)
        assert make_pass() == []
        return statements, commands(gate) - before

    make_pass()
    without = cost()
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
        owner.execute(
            "INSERT INTO coupon (name, total_quantity, state, admin_state)"
            " SELECT 'of the past', 9, 'closed', 'archived' FROM generate_series(1, 50)"
        )
    make_pass()  # the names of all keys are read once
    assert cost() == without
    assert without[0] == STATEMENTS
    assert without[1]["cmdstat_evalsha"] == 2
    assert not without[1]["cmdstat_scan"]


def commands(gate: Gate) -> Counter[str]:
    """How many the server has run of each."""
    stats: dict[str, Any] = gate.client.info("commandstats")
    return Counter({name: int(stat["calls"]) for name, stat in stats.items()})


def test_verify_checks_an_archived_coupon_in_the_ledger_alone(
    gate: Gate, database: Database, settled: Shop, archive: Archive, make_pass: Pass
) -> None:
    """On both sides of the moment, and without waiting."""
    archive(settled.coupon_id)
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        for _ in range(2):
            began = monotonic()
            report = await_consistency(gate, ops, settled.coupon_id, WAIT_SECONDS)
            assert monotonic() - began < WAIT_SECONDS / 2
            assert report is not None
            assert (report.complaints, report.figures) == ([], None)
            assert (report.counts.accepted, report.counts.issued) == (len(USERS), len(USERS))
            make_pass()
        with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
            owner.execute("UPDATE coupon SET issued_count = issued_count - 1")
        wrong = check_consistency(gate, ops, settled.coupon_id)
    assert wrong is not None
    assert "Postgres: accepted is not" in wrong.complaints[0]
