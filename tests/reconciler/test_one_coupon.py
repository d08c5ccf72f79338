"""One coupon that cannot be worked on stops the work on no other, and is named."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg
import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.endpoints import Endpoints
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.gate.values import coupon_key
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import find_coupon
from coupons.model import Admission, Claim, Coupon, GateState, IssueRequest, Status
from coupons.waiting import eventually
from operations.repair.repairs import Repair, RepairAction
from operations.session import Failed, Session
from operations.verify.report import check_consistency
from reconciler import comparer
from reconciler.routine_pass import run_pass
from reconciler.watch import Watch
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

BEFORE_CHRIST = "UPDATE coupon SET issue_starts_at = '0044-03-15 BC' WHERE coupon_id = %s"
BEYOND_PYTHON = "UPDATE coupon SET issue_ends_at = 'infinity' WHERE coupon_id = %s"


@pytest.fixture
def three(gate: Gate, make_coupon: MakeCoupon) -> list[Coupon]:
    """Open coupons; the middle one is to be the bad one."""
    made = [make_coupon(total_quantity=10) for _ in range(3)]
    assert all(open_coupon(gate, coupon) for coupon in made)
    return made


def _as_owner(database: Database, statement: str, coupon: Coupon) -> None:
    """What no part of the project would write: constraints are out of the way."""
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
        for table, name in owner.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE conrelid = 'coupon'::regclass AND contype = 'c'"
        ).fetchall():
            owner.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'.encode())
        owner.execute(statement.encode(), [coupon.coupon_id])


@contextmanager
def _locked(database: Database, coupon: Coupon) -> Iterator[None]:
    """Somebody keeps the coupon's row in an open transaction."""
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("SELECT FROM coupon WHERE coupon_id = %s FOR UPDATE", [coupon.coupon_id])
        yield
        owner.rollback()


def _pass(gate: Gate, connection: Connection, watch: Watch | None = None) -> list[Repair]:
    return list(run_pass(gate, connection, 0.0, watch))


def _failed(repairs: list[Repair]) -> list[int]:
    return [repair.coupon_id for repair in repairs if repair.action is RepairAction.FAILED]


def _can_claim(gate: Gate, coupon: Coupon) -> bool:
    return isinstance(gate.admit([Claim(coupon.coupon_id, 1)])[0], Admission)


@pytest.mark.parametrize("statement", [BEFORE_CHRIST, BEYOND_PYTHON])
def test_a_row_that_cannot_be_read_is_named_and_the_others_are_rebuilt(
    gate: Gate, database: Database, reconciler: Connection, three: list[Coupon], statement: str
) -> None:
    first, bad, last = three
    _as_owner(database, statement, bad)
    gate.client.flushall()
    repairs = _pass(gate, reconciler)
    assert _failed(repairs) == [bad.coupon_id]
    assert f"coupon {bad.coupon_id} cannot be read" in repairs[0].why
    assert _can_claim(gate, first)
    assert _can_claim(gate, last)
    assert gate.admit([Claim(bad.coupon_id, 1)]) == [GateState.MISSING]


def test_a_coupon_that_somebody_locks_is_named_and_the_others_are_rebuilt(
    gate: Gate, database: Database, three: list[Coupon]
) -> None:
    first, bad, last = three
    gate.client.flushall()
    watch = Watch(0)
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        reconciler.execute("SET lock_timeout = '100ms'")
        with _locked(database, bad):
            repairs = _pass(gate, reconciler, watch)
            assert _failed(repairs) == [bad.coupon_id]
            assert "lock timeout" in next(r.why for r in repairs if r.action is RepairAction.FAILED)
            assert _can_claim(gate, first)
            assert _can_claim(gate, last)
            for _ in range(5):
                watch.failing.failed(bad.coupon_id)
            assert _failed(_pass(gate, reconciler, watch)) == [], "it is not tried at every pass"
        _pass(gate, reconciler)
    assert _can_claim(gate, bad)


def _spoil_hash(gate: Gate, coupon: Coupon) -> None:
    gate.client.set(coupon_key(coupon.coupon_id), "not a hash")


def _spoil_epoch(gate: Gate, coupon: Coupon) -> None:
    gate.client.hset(coupon_key(coupon.coupon_id), "epoch", "not a number")


def _spoil_count(gate: Gate, coupon: Coupon) -> None:
    gate.client.hset(coupon_key(coupon.coupon_id), "issued", "not a number")


def _spoil_pending(gate: Gate, coupon: Coupon) -> None:
    gate.client.set(f"{coupon_key(coupon.coupon_id)}:{coupon.gate_epoch}:pending", "not a set")


@pytest.mark.parametrize("spoil", [_spoil_hash, _spoil_epoch, _spoil_count, _spoil_pending])
def test_a_key_of_another_type_closes_only_its_own_coupon(
    gate: Gate,
    reconciler: Connection,
    three: list[Coupon],
    spoil: Callable[[Gate, Coupon], None],
) -> None:
    """A key of another type closes its coupon alone until it is rebuilt."""
    first, bad, _ = three
    spoil(gate, bad)
    answers = gate.admit([Claim(each.coupon_id, 1) for each in three])
    assert isinstance(answers[0], Admission)
    assert answers[1] in set(GateState)
    assert isinstance(answers[2], Admission)
    marks = [IssueRequest(each.coupon_id, 2, 1_000, Status.ISSUED) for each in three]
    assert gate.settle(marks) >= 2
    gate.client.hdel(coupon_key(first.coupon_id), "epoch")
    repairs = _pass(gate, reconciler)
    assert {repair.coupon_id for repair in repairs if repair.action is RepairAction.REBUILT} == {
        first.coupon_id,
        bad.coupon_id,
    }
    assert _can_claim(gate, bad)


def test_a_shard_of_another_type_is_found_by_the_comparison_and_rebuilt(
    gate: Gate, database: Database, three: list[Coupon]
) -> None:
    _, bad, _ = three
    shard = f"{coupon_key(bad.coupon_id)}:{bad.gate_epoch}:settled:0"
    gate.client.set(shard, "not a hash")
    done = CliRunner(env=_environment(database, gate)).invoke(main, ["reconcile", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["repairs"]
    assert [(each["coupon_id"], each["why"]) for each in told] == [(bad.coupon_id, "unreadable")]
    assert _can_claim(gate, bad)


def test_the_comparing_thread_survives_whatever_one_coupon_does(
    gate: Gate,
    three: list[Coupon],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, bad, last = three
    compared: list[int] = []
    due = [(bad.coupon_id, "drift"), (last.coupon_id, "drift")]

    def examine(_: Gate, __: str, coupon_id: int, *___: float) -> None:
        compared.append(coupon_id)
        if coupon_id == bad.coupon_id:
            raise psycopg.DataError("timestamp too small (before year 1)")

    class Due(Watch):
        def take_due(self) -> tuple[int, str] | None:
            return due.pop(0) if due else None

    monkeypatch.setattr(comparer, "_compare", examine)
    monkeypatch.setattr(comparer, "CHECK_EVERY_SECONDS", 0.01)
    stop = Event()
    with caplog.at_level(logging.ERROR):
        thread = Thread(target=comparer.run_comparer, args=(gate, "", 0.0, 30.0, Due(0), stop))
        thread.start()
        try:
            eventually(lambda: compared == [bad.coupon_id, last.coupon_id], what="the next one")
        finally:
            stop.set()
            thread.join()
    assert [getattr(record, "coupon_id", None) for record in caplog.records] == [bad.coupon_id]


def _environment(database: Database, gate: Gate) -> dict[str, str]:
    address = gate.client.connection_pool.connection_kwargs
    return {
        "COUPON_DATABASE_URL": database.url("coupon_reconciler"),
        "COUPON_REDIS_URL": f"redis://{address['host']}:{address['port']}/0",
    }


@pytest.mark.parametrize("arguments", ["gate status", "gate rebuild --all", "reconcile"])
def test_a_command_does_the_others_and_names_the_one_that_cannot_be_read(
    gate: Gate, database: Database, three: list[Coupon], arguments: str
) -> None:
    first, bad, last = three
    _as_owner(database, BEFORE_CHRIST, bad)
    if "status" not in arguments:
        gate.client.flushall()
    done: Result = CliRunner(env=_environment(database, gate)).invoke(main, arguments.split())
    assert done.exit_code == 1, done.output
    assert f"coupon {bad.coupon_id} cannot be read" in done.output
    assert _can_claim(gate, first)
    assert _can_claim(gate, last)


def test_verify_counts_the_books_of_the_others(
    gate: Gate, database: Database, reconciler: Connection, three: list[Coupon]
) -> None:
    first, bad, last = three
    _as_owner(database, BEFORE_CHRIST, bad)
    failures: list[Failed] = []
    here = Session(gate, reconciler, Endpoints({}, "ops"))
    found = here.each(
        None, lambda each: check_consistency(gate, reconciler, each.coupon_id), failures
    )
    books = [each for each in found if each is not None]
    assert [each.coupon_id for each in books] == [first.coupon_id, last.coupon_id]
    assert [each.complaints for each in books] == [[], []]
    assert [failed.coupon_id for failed in failures] == [bad.coupon_id]


def test_a_server_that_is_away_is_not_taken_for_one_coupon(
    gate: Gate, reconciler: Connection, three: list[Coupon]
) -> None:
    nowhere = connect_gate("redis://127.0.0.1:1/0")
    with pytest.raises(Exception, match="Redis does not answer"):
        _pass(nowhere, reconciler)
    [figures] = gate.figures([three[0].coupon_id])
    assert figures is not None
    assert figures.state is GateState.OPEN
    assert find_coupon(reconciler, three[0].coupon_id) is not None
