"""`coupon rehearse`: what an operator sees when they list and purge rehearsals."""

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.gate import Gate
from coupons.ledger.connection import Connection
from coupons.ledger.rehearsals import begin_rehearsal
from operations.rehearsal import purging
from tests.reconciler.conftest import Shop
from tests.reconciler.test_purging import SYNTHETIC, Rehearsed, rehearsed
from tests.support.databases import Database
from tests.support.issued import as_owner

__all__ = ["rehearsed"]


class _Settings:
    def __init__(self, *_: object) -> None: ...

    def longest_kept(self) -> timedelta:
        return timedelta(days=14)


@pytest.fixture
def typed(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Types a line after `coupon rehearse`, as the role of operators, over a Kafka of 14 days."""
    monkeypatch.setattr(purging, "TopicSettings", _Settings)

    def invoke(line: str) -> Result:
        return CliRunner(env=environment).invoke(main, ["rehearse", *line.split()])

    return invoke


def test_the_command_purges_and_prints_the_proof(rehearsed: Rehearsed, typed: Any) -> None:
    """And again when it is repeated; the list has it for ever."""
    done = typed(f"purge {rehearsed.coupon_id} --yes --json --by somebody")

    assert done.exit_code == 0, done.output
    proof = json.loads(done.stdout)
    assert proof["nothing_left"]
    assert proof["before"]["rows"]["issued_coupon"] == proof["removed"]["issued_coupon"] == 8
    assert (set(proof["after"]["rows"].values()), proof["after"]["keys"]) == ({0}, 0)
    again = json.loads(typed(f"purge {rehearsed.coupon_id} --yes --json").stdout)
    assert (again["removed"], again["purged_at"]) == (proof["removed"], proof["purged_at"])
    [listed] = json.loads(typed("list --json").stdout)
    assert listed["purged_at"] == proof["purged_at"]
    shown = typed(f"purge {rehearsed.coupon_id} --yes").stdout
    assert "issued_coupon                       8      0" in shown
    assert "they issue nothing" in shown
    assert "purged at" in typed("list").stdout
    audited = "SELECT acted_by FROM operator_action WHERE action = 'purge rehearsal'"
    assert as_owner(rehearsed.database, audited) == [("somebody",)]


def test_a_dry_run_changes_nothing(rehearsed: Rehearsed, typed: Any) -> None:
    """It says what there is, and how long Kafka keeps its records; the coupon stays open."""
    done = typed(f"purge {rehearsed.coupon_id} --dry-run --json")

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["rows"]["coupon_issue_request"] == 8
    assert (found["keys"], found["log_keeps_days"]) == (2, 14)
    assert "14 days" in typed(f"purge {rehearsed.coupon_id} --dry-run").stdout
    assert rehearsed.admit(SYNTHETIC.stop)


def test_without_a_yes_nothing_is_purged(rehearsed: Rehearsed, typed: Any) -> None:
    """It cannot be undone, so it asks; where nobody can answer, it says what to type."""
    done = typed(f"purge {rehearsed.coupon_id}")
    assert done.exit_code == 2
    assert "--yes" in done.output
    assert rehearsed.admit(SYNTHETIC.stop)


def test_what_is_in_flight_ends_the_command_with_1(rehearsed: Rehearsed, typed: Any) -> None:
    rehearsed.accept(SYNTHETIC.stop)
    done = typed(f"purge {rehearsed.coupon_id} --yes")
    assert done.exit_code == 1
    assert "nothing was purged. Try again" in " ".join(done.output.split())


def test_another_coupon_is_not_purged(settled: Shop, typed: Any) -> None:
    """It ends with 2, as for one that does not exist; not even a dry run looks at it."""
    for line in ("--yes", "--dry-run"):
        done = typed(f"purge {settled.coupon_id} {line}")
        assert done.exit_code == 2
        assert "is no rehearsal" in done.output
    assert settled.admit(99)


def test_the_list_has_those_that_are_there(
    gate: Gate, database: Database, ops: Connection, typed: Any
) -> None:
    assert "no rehearsal" in typed("list").stdout
    made = begin_rehearsal(ops, "of a test", 1, "somebody")
    assert gate.figures([made.coupon_id]) == [None]
    assert f"{made.coupon_id}: began at" in typed("list").stdout
    assert as_owner(database, "SELECT count(*) FROM rehearsal") == [(1,)]


@pytest.mark.parametrize(
    "line",
    ["--rate 0", "--rate 5/m", "--rate fast", "--for 2h", "--for 61m", "--for 0s", "--users 0"],
)
def test_a_size_that_makes_no_sense_is_refused(typed: Any, database: Database, line: str) -> None:
    done = typed(f"run {line}")
    assert done.exit_code == 2
    assert as_owner(database, "SELECT FROM rehearsal") == []
