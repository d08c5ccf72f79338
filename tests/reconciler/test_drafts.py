"""A draft is not at the gate, and that is no mismatch."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.gate import Gate
from coupons.gate.rebuild import rebuild
from coupons.ledger.admin_states import open_draft
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.requests import accept_requests
from coupons.model import Admission, Coupon, GateState
from operations.doctor.findings import Level
from operations.doctor.gate import gate_findings
from operations.repair.compare_and_repair import compare_and_repair
from operations.repair.repairs import RepairAction
from operations.verify.report import check_consistency
from reconciler.routine_pass import run_pass
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

Type = Callable[..., Result]


@pytest.fixture
def draft(make_coupon: MakeCoupon) -> Coupon:
    return make_coupon(state="draft")


@pytest.fixture
def type_it(database: Database, valkey_url: str) -> Type:
    """Types a command of `coupon`."""

    def type_one(*words: str, role: str = "ops") -> Result:
        where = {
            "COUPON_DATABASE_URL": database.url(f"coupon_{role}"),
            "COUPON_REDIS_URL": valkey_url,
            "COUPON_STATE_DIR": "",
            "COLUMNS": "80",
        }
        return CliRunner(env=where).invoke(main, words)

    return type_one


def test_a_pass_leaves_a_draft_alone_and_opens_it_once_it_is_open(
    gate: Gate,
    database: Database,
    reconciler: Connection,
    draft: Coupon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        # A draft costs a pass nothing: not even the question whether it has to be rebuilt.
        patched.delattr("reconciler.routine_pass.rebuild")
        assert list(run_pass(gate, reconciler, pending_after_s=0.0)) == []
    assert gate.unavailable([draft.coupon_id]) == [GateState.MISSING]
    with connect_ledger(database.url("coupon_api"), "test") as api:
        assert open_draft(api, draft.coupon_id)
    [repair] = run_pass(gate, reconciler, pending_after_s=0.0)
    assert (repair.action, repair.why) == (RepairAction.REBUILT, "missing")
    assert gate.unavailable([draft.coupon_id]) == [None]


def test_neither_a_rebuild_nor_a_comparison_brings_a_draft_to_the_gate(
    gate: Gate, reconciler: Connection, draft: Coupon
) -> None:
    assert rebuild(gate, reconciler, draft.coupon_id) is None
    assert list(compare_and_repair(gate, reconciler, draft, pending_after_s=0.0)) == []
    assert gate.figures([draft.coupon_id]) == [None]


def test_verify_has_nothing_against_a_draft_but_its_requests(
    gate: Gate, database: Database, ops: Connection, draft: Coupon
) -> None:
    def complaints() -> list[str]:
        report = check_consistency(gate, ops, draft.coupon_id)
        assert report is not None
        return report.complaints

    assert complaints() == []
    admission = Admission(draft.coupon_id, 7, 1_700_000_000_000_000, draft.gate_epoch, False)
    with connect_ledger(database.url("coupon_api"), "test") as api:
        accept_requests(api, [admission])
    assert complaints()[0] == "it is a draft, and has 1 requests"


def test_the_doctor_counts_the_coupons_that_the_gate_has_to_have(gate: Gate, draft: Coupon) -> None:
    [found] = gate_findings([draft], gate.figures([draft.coupon_id]))
    assert (found.level, found.says) == (Level.OK, "all 0 coupons are loaded")


def test_the_status_of_a_draft_says_that_it_is_not_there_yet(type_it: Type, draft: Coupon) -> None:
    done = type_it("gate", "status", "--json")
    [shown] = json.loads(done.output)
    assert (shown["state"], shown["claims"], shown["gate"]) == ("draft", "draft", None)
    assert done.exit_code == 0
    assert "not there yet" in type_it("gate", "status").output


def test_a_rebuild_passes_over_drafts_and_refuses_one_that_is_named(
    type_it: Type, draft: Coupon
) -> None:
    done = type_it("gate", "rebuild", "--all", role="reconciler")
    assert (done.output, done.exit_code) == ("", 0)
    refused = type_it("gate", "rebuild", "--coupon", str(draft.coupon_id), role="reconciler")
    assert refused.exit_code == 1
    assert "is a draft: the gate gets it when it is opened" in refused.output
