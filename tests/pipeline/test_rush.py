"""From the HTTP claim to the issued coupon, everybody at once."""

import json
import subprocess
import sys
from collections import Counter

import psycopg
import pytest

from connectors.stream_state import read_stream_health
from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from operations.verify.report import ConsistencyReport, await_consistency
from stack.disposable import DisposableStack
from tests.pipeline.people import People

SETTLED_WITHIN_SECONDS = 90.0


@pytest.fixture
def people(stack: DisposableStack) -> People:
    return People(stack)


def _settled_books(stack: DisposableStack, coupon_id: int) -> ConsistencyReport:
    gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
    with connect_ledger(stack.environment["COUPON_DATABASE_URL"], "test") as ledger:
        books = await_consistency(gate, ledger, coupon_id, SETTLED_WITHIN_SECONDS)
    assert books is not None
    assert books.complaints == [], (
        books,
        read_stream_health(stack.environment),
        stack.log_tails(),
    )
    return books


def _requested_users(stack: DisposableStack, coupon_id: int) -> set[int]:
    with psycopg.connect(stack.environment["COUPON_DATABASE_URL"]) as ledger:
        rows = ledger.execute(
            "SELECT user_id FROM coupon_issue_request WHERE coupon_id = %s", [coupon_id]
        )
        return {row[0] for row in rows}


def test_of_5000_claims_for_1000_places_exactly_1000_are_issued(
    stack: DisposableStack, people: People
) -> None:
    """Of 5000 claims for 1000 places exactly 1000 are issued to those who were accepted."""
    coupon_id = people.create_coupon(total_quantity=1_000)
    answers = people.claim_all(coupon_id, range(1, 5_001), threads=50)
    statuses = Counter(answer.status_code for _, answer in answers)
    assert statuses == {202: 1_000, 409: 4_000}
    assert {a.json()["reason"] for _, a in answers if a.status_code == 409} == {"sold_out"}
    books = _settled_books(stack, coupon_id)
    assert (books.counts.accepted, books.counts.issued, books.counts.rejected) == (1_000, 1_000, 0)
    assert books.figures is not None
    assert (books.figures.issued, books.figures.pending) == (1_000, 0)
    accepted = {user for user, answer in answers if answer.status_code == 202}
    assert _requested_users(stack, coupon_id) == accepted


def test_a_user_waits_for_the_coupon_and_finds_it_among_their_own(
    stack: DisposableStack, people: People
) -> None:
    coupon_id = people.create_coupon(total_quantity=1)
    answer = people.claim(coupon_id, 9_001)
    assert answer.status_code == 202
    location = answer.headers["Location"]
    status = people.read(location, 9_001, wait=20).json()
    assert status["status"] == "ISSUED"
    assert status["issued_coupon_id"] == answer.json()["id"]
    assert status["requested_at"] == answer.json()["requested_at"]
    again = people.claim(coupon_id, 9_001)
    assert (again.status_code, again.json()["status"]) == (200, "ISSUED")


def _rush_with_open_files(stack: DisposableStack, limit: str) -> subprocess.CompletedProcess[str]:
    """The largest rush, which `coupon rush --help` shows, under a limit of the shell."""
    rush = [sys.executable, "-m", "cli", "rush", "--state", str(stack.folder.path)]
    size = ["--places", "1000", "--users", "2000", "--twice", "0", "--json"]
    shell = ["sh", "-c", f'{limit} && exec "$@"', "rush"]
    return subprocess.run([*shell, *rush, *size], capture_output=True, text=True)


def test_the_largest_rush_runs_in_a_shell_that_allows_1024_open_files(
    stack: DisposableStack,
) -> None:
    done = _rush_with_open_files(stack, "ulimit -Sn 1024")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["answers"] == {"admitted": 1000, "refused: sold_out": 1000, "refused: closed": 1}
    assert result["complaints"] == []


def test_a_rush_that_may_not_open_enough_files_says_so(stack: DisposableStack) -> None:
    done = _rush_with_open_files(stack, "ulimit -Sn 256 && ulimit -Hn 256")
    assert done.returncode == 2
    assert "this process may open 256 files" in done.stdout
    assert "Traceback" not in done.stderr
