"""`coupon gate status` tells a coupon that is closed from a gate that is closed."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.ledger.connection import connect_ledger
from tests.reconciler.conftest import Shop
from tests.support.databases import Database

Status = Callable[..., Result]


@pytest.fixture
def status(database: Database, valkey_url: str) -> Status:
    """Types the command, with the addresses of the test's servers."""
    where = {
        "COUPON_DATABASE_URL": database.url("coupon_ops"),
        "COUPON_REDIS_URL": valkey_url,
        "COUPON_STATE_DIR": "",
        "COLUMNS": "80",
    }

    def type_it(*options: str) -> Result:
        return CliRunner(env=where).invoke(main, ["gate", "status", *options])

    return type_it


@pytest.mark.parametrize(
    ("change", "claims"),
    [
        ("state = 'open'", "open"),
        ("state = 'closed'", "closed"),
        ("state = 'paused'", "paused"),
        ("issue_starts_at = now() + interval '1 hour'", "not open yet"),
        (
            "issue_starts_at = now() - interval '2 h', issue_ends_at = now() - interval '1 h'",
            "over",
        ),
    ],
)
def test_what_becomes_of_a_claim_is_told_beside_the_gate(
    shop: Shop, database: Database, status: Status, change: str, claims: str
) -> None:
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute(f"UPDATE coupon SET {change}".encode())
    done = status("--json")
    [told] = json.loads(done.output)
    assert (told["claims"], told["gate"], done.exit_code) == (claims, "open", 0)
    shown = status().output.splitlines()[1]
    assert claims in shown
    assert "available" in shown


def test_a_coupon_that_is_sold_out_says_so(shop: Shop, status: Status) -> None:
    shop.admit(*range(1, 21))
    assert json.loads(status("--json").output)[0]["claims"] == "sold out"


def test_a_closed_gate_is_exit_code_1_and_an_unknown_coupon_is_2(
    shop: Shop, status: Status
) -> None:
    """A closed gate is exit code 1 and a coupon that does not exist is 2."""
    shop.gate.client.flushall()
    assert status().exit_code == 1
    none = status("--coupon", "99")
    assert none.exit_code == 2
    assert "there is no coupon 99" in none.output


def test_a_coupon_is_one_line_on_a_terminal_of_80_columns(shop: Shop, status: Status) -> None:
    shop.admit(1, 2)
    header, line, *rest = status().output.splitlines()
    assert rest == []
    assert len(header) <= 80
    assert line.split()[1:3] == ["open", "available"]
    [told] = json.loads(status("--json").output)
    assert {"epoch", "ledger_epoch", "run_id_matches"} <= told.keys()
    assert str(told["epoch"]) not in line
