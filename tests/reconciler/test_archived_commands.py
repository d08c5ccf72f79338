"""What the commands say of an archived coupon, before and after the gate has forgotten it."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.gate import Gate
from coupons.ledger.admin_states import archive_coupon
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon
from coupons.model import CouponState
from operations.doctor.findings import Level
from operations.doctor.gate import gate_findings
from operations.doctor.requests import count_overdue
from operations.repair.compare_and_repair import compare_and_repair
from reconciler.routine_pass import run_pass
from tests.reconciler.conftest import Shop
from tests.support.databases import Database

Type = Callable[..., Result]


@pytest.fixture
def type_it(environment: dict[str, str], database: Database) -> Type:
    """Types a command of `coupon`; gate and ledger answer, and nobody else."""

    def type_one(*words: str, role: str = "ops") -> Result:
        where = {**environment, "COUPON_DATABASE_URL": database.url(f"coupon_{role}")}
        return CliRunner(env=where).invoke(main, words)

    return type_one


@pytest.fixture(params=["archived", "forgotten"])
def archived(
    request: pytest.FixtureRequest,
    shop: Shop,
    gate: Gate,
    database: Database,
    reconciler: Connection,
) -> Shop:
    shop.accept(1)
    shop.issue(1)
    with connect_ledger(database.url("coupon_api"), "test") as api:
        change_coupon(api, shop.coupon_id, state=CouponState.CLOSED)
        assert archive_coupon(api, shop.coupon_id)
    if request.param == "forgotten":
        assert list(run_pass(gate, reconciler, pending_after_s=0.0)) == []
    return shop


def test_the_status_shows_it_only_when_it_is_asked_for(type_it: Type, archived: Shop) -> None:
    assert json.loads(type_it("gate", "status", "--json").output) == []
    done = type_it("gate", "status", "--coupon", str(archived.coupon_id))
    assert done.exit_code == 0
    assert "closed" in done.output
    assert "forgotten" in done.output


def test_a_rebuild_passes_over_it_and_refuses_it_by_name(type_it: Type, archived: Shop) -> None:
    done = type_it("gate", "rebuild", "--all", role="reconciler")
    assert (done.output, done.exit_code) == ("", 0)
    named = type_it("gate", "rebuild", "--coupon", str(archived.coupon_id), role="reconciler")
    assert named.exit_code == 1
    assert "is archived: the gate has forgotten it, for good" in named.output


def test_a_trace_says_that_the_gate_has_forgotten_the_mark(type_it: Type, archived: Shop) -> None:
    def trace(user: int) -> dict[str, dict[str, str]]:
        done = type_it("trace", "--coupon", str(archived.coupon_id), "--user", str(user), "--json")
        return {each["stage"]: each for each in json.loads(done.output)["steps"]}

    assert trace(1)["marked"]["state"] == "reached"
    assert trace(2) == {}


def test_a_comparison_has_nothing_to_do(
    type_it: Type, gate: Gate, reconciler: Connection, archived: Shop
) -> None:
    """Nor does it tell the gate of the archiving."""
    assert list(compare_and_repair(gate, reconciler, archived.ledger(), 0.0)) == []
    done = type_it("reconcile", "--coupon", str(archived.coupon_id), role="reconciler")
    assert done.exit_code == 0, done.output


def test_the_doctor_misses_nothing(gate: Gate, ops: Connection, archived: Shop) -> None:
    coupon = archived.ledger()
    [found] = gate_findings([coupon], gate.figures([coupon.coupon_id]))
    assert (found.level, found.says) == (Level.OK, "all 0 coupons are loaded")
    assert count_overdue(gate, ops, coupon.created_at).requests == 0
