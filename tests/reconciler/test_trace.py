"""`coupon trace` tells what gate and ledger know of one request, and what is not known."""

import json
from typing import Any

import pytest
from click.testing import Result

from coupons.gate import connect_gate
from coupons.ids import request_id_text
from coupons.ledger.connection import connect_ledger
from coupons.ledger.requests import find_requests, find_timed_request
from coupons.model import Status
from operations.trace import requests_of_user
from operations.trace.why_none import NOT_RECORDED
from tests.reconciler.conftest import NOBODY, Shop, Trace
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon
from tests.support.servers import ValkeyServer


def steps(done: Result) -> dict[str, Any]:
    """By stage: its state, and what is said of it."""
    told = json.loads(done.stdout)
    return {step["stage"]: (step["state"], step["says"]) for step in told["steps"]}


def of(shop: Shop, user: int) -> tuple[str, ...]:
    return ("--user", str(user), "--coupon", str(shop.coupon_id), "--json")


def test_an_issued_request_is_followed_to_its_mark(shop: Shop, trace: Trace) -> None:
    shop.accept(1)
    shop.issue(1)
    done = trace(*of(shop, 1))
    told = json.loads(done.stdout)
    assert told["status"] == "ISSUED"
    assert [(step["stage"], step["state"]) for step in told["steps"]] == [
        ("admitted", "reached"),
        ("accepted", "reached"),
        ("in Kafka", "unknown"),
        ("dead letter", "unknown"),
        ("issued", "reached"),
        ("marked", "reached"),
    ]
    assert told["steps"][0]["at"] < told["steps"][4]["at"]
    assert done.exit_code == 3
    by_id = trace(request_id_text(shop.coupon_id, 1), "--json")
    assert json.loads(by_id.stdout) == told


def test_a_rejected_request_has_its_reason(shop: Shop, database: Database, trace: Trace) -> None:
    shop.accept(1, 2)
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute("UPDATE coupon SET total_quantity = 1")
    shop.issue(1)
    shop.issue(2)
    assert steps(trace(*of(shop, 2)))["rejected"] == ("reached", "reason: sold_out")


def test_an_admitted_claim_without_a_row_waits_for_it(shop: Shop, trace: Trace) -> None:
    shop.admit(1)
    found = steps(trace(*of(shop, 1)))
    assert found["admitted"][0] == "reached"
    assert found["accepted"][0] == "waiting"
    assert "the reconciler will write it" in found["accepted"][1]


def test_an_outcome_without_a_mark_waits_for_it(shop: Shop, trace: Trace) -> None:
    shop.accept(1)
    shop.issue(1, mark=False)
    found = steps(trace(*of(shop, 1)))
    assert (found["issued"][0], found["marked"][0]) == ("reached", "waiting")


def test_a_mark_that_comes_while_the_row_is_read_is_seen(
    shop: Shop, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate is asked first; the consumer commits and marks before the row is read."""
    shop.accept(1)

    def issued_meanwhile(*arguments: Any) -> Any:
        shop.issue(1)
        return find_timed_request(*arguments)

    monkeypatch.setattr("operations.trace.facts.find_timed_request", issued_meanwhile)
    found = steps(trace(*of(shop, 1)))
    assert found["issued"][0] == "reached"
    assert found["marked"] == ("reached", "the gate has it as ISSUED")


def test_a_mark_that_differs_from_the_row_is_said(
    shop: Shop, database: Database, trace: Trace
) -> None:
    shop.accept(1)
    shop.issue(1, mark=False)
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        [request] = find_requests(consumer, [(shop.coupon_id, 1)])
    shop.gate.settle([request._replace(status=Status.REJECTED)])
    found = steps(trace(*of(shop, 1)))
    assert found["marked"][1] == (
        "the gate has it as REJECTED, and Postgres as ISSUED: see `coupon verify`"
    )


def test_when_redis_is_killed_only_the_mark_is_unknown(
    own_valkey: ValkeyServer, database: Database, make_coupon: MakeCoupon, trace: Trace
) -> None:
    shop = Shop(connect_gate(own_valkey.url), database, make_coupon(total_quantity=20))
    shop.accept(1)
    shop.issue(1)
    own_valkey.kill()
    done = trace(*of(shop, 1), COUPON_REDIS_URL=own_valkey.url)
    found = steps(done)
    assert done.exit_code == 3
    assert found["marked"][0] == "unknown"
    assert "Redis" in found["marked"][1]
    assert (found["admitted"][0], found["issued"][0]) == ("reached", "reached")
    nobody = trace(*of(shop, 9), COUPON_REDIS_URL=own_valkey.url)
    assert nobody.exit_code == 3
    assert steps(nobody)["admitted"][0] == "unknown"


def test_when_postgres_is_down_the_gate_still_tells(shop: Shop, trace: Trace) -> None:
    shop.accept(1)
    shop.issue(1)
    done = trace(*of(shop, 1), COUPON_DATABASE_URL=f"postgresql://nobody@{NOBODY}/none")
    found = steps(done)
    assert done.exit_code == 3
    assert (found["accepted"][0], found["final"][0]) == ("unknown", "unknown")
    assert found["marked"] == ("reached", "the gate has it as ISSUED")
    assert json.loads(done.stdout)["status"] == "ISSUED"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("state = 'paused'", "The coupon is paused now."),
        ("state = 'paused', admin_state = 'draft'", "The coupon is a draft now: nobody sees it"),
        ("issue_starts_at = now() + interval '1 hour'", "It has not begun"),
        (
            "issue_starts_at = now() - interval '2 h', issue_ends_at = now() - interval '1 h'",
            "It ended at",
        ),
        ("issued_count = total_quantity", "It is sold out: all 20 are issued."),
        ("eligible_group = 'staff'", "Only users of the group staff may claim it."),
        ("gate_epoch = gate_epoch + 1", "The gate is unavailable now (fenced)"),
        ("name = name", "The coupon is open now and not sold out"),
    ],
)
def test_a_user_without_a_request_gets_what_the_coupon_says(
    shop: Shop, database: Database, trace: Trace, change: str, says: str
) -> None:
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute(f"UPDATE coupon SET {change}".encode())
    done = trace(*of(shop, 9))
    told = json.loads(done.stdout)
    assert (told["steps"], told["status"], done.exit_code) == ([], None, 1)
    assert any(note.startswith(says) for note in told["notes"]), told["notes"]
    assert told["notes"][-1] == NOT_RECORDED


def test_a_coupon_that_is_sold_out_at_the_gate_says_so(shop: Shop, trace: Trace) -> None:
    shop.admit(*range(1, 21))
    notes = json.loads(trace(*of(shop, 99)).stdout)["notes"]
    assert notes[0].startswith("It is sold out at the gate: all 20 are taken (0 issued, 20")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--user", "1", "--coupon", "99"], "there is no coupon 99"),
        ([request_id_text(99, 1)], "there is no coupon 99"),
        (["4711"], "not the id of a request"),
        (["0b2d7f0e-1d2c-4f3a-9e61-0a8f6b7c5d4e"], "not the id of a request"),
        (["[red]" + "x" * 9_000], "not the id of a request"),
        (["--user", "0", "--coupon", "1"], "not an id"),
        (["--coupon", "1"], "give either REQUEST, or --user, with --coupon for one request"),
        ([], "give either REQUEST, or --user, with --coupon for one request"),
        ([request_id_text(1, 1), "--user", "1", "--coupon", "1"], "give either REQUEST"),
    ],
)
def test_what_does_not_exist_or_is_no_id_is_exit_code_2(
    trace: Trace, arguments: list[str], says: str
) -> None:
    done = trace(*arguments)
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert len(done.output) < 1_000


def test_the_table_fits_a_terminal_of_80_columns(shop: Shop, trace: Trace) -> None:
    shop.accept(1)
    shop.issue(1)
    lines = trace(*of(shop, 1)[:-1]).output.splitlines()
    assert max(map(len, lines)) <= 80, lines
    assert not any("…" in line for line in lines), "nothing is cut off"
    [issued] = [line for line in lines if line.startswith("issued")]
    assert " ms " in issued or " s " in issued


def test_without_a_coupon_the_requests_of_the_user_are_listed(shop: Shop, trace: Trace) -> None:
    shop.accept(1, 2)
    shop.issue(1)
    done = trace("--user", 1, "--json")
    assert done.exit_code == 0
    listed = json.loads(done.stdout)
    assert (listed["total"], listed["complete"]) == (1, True)
    [found] = listed["newest"]
    assert (found["coupon_id"], found["status"]) == (shop.coupon_id, "ISSUED")
    assert found["request_id"] == request_id_text(shop.coupon_id, 1)
    shown = trace("--user", 1)
    assert "User 1: 1 requests for all" in shown.stdout
    assert request_id_text(shop.coupon_id, 1) in shown.stdout
    assert trace("--user", 3).exit_code == 1
    assert trace("--coupon", shop.coupon_id).exit_code == 2


def test_the_list_of_a_users_requests_is_bounded(
    shop: Shop,
    trace: Trace,
    database: Database,
    make_coupon: MakeCoupon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With other limits: these would take ten thousand coupons."""
    newer = Shop(shop.gate, database, make_coupon(total_quantity=20))
    for each in (shop, newer):
        each.accept(1)
    monkeypatch.setattr(requests_of_user, "MOST_REQUESTS", 1)
    shown = trace("--user", 1).stdout
    assert "2 requests for all 2 coupons" in shown
    assert "These are the last 1" in shown
    assert request_id_text(newer.coupon_id, 1) in shown
    assert request_id_text(shop.coupon_id, 1) not in shown
    monkeypatch.setattr(requests_of_user, "MOST_COUPONS", 1)
    assert "1 requests for the last 1 coupons" in trace("--user", 1).stdout
