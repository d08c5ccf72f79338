"""From the HTTP claim to the issued coupon: everybody at once, and with servers going away."""

from collections import Counter

import psycopg
import pytest

from benchmarks.embedded import EmbeddedStack
from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from ops.flow import look_at_flow
from ops.verify import Books, await_balanced_books
from tests.pipeline.people import People, steady_claims
from tests.waiting import eventually

SETTLED_WITHIN_SECONDS = 90.0


@pytest.fixture
def people(stack: EmbeddedStack) -> People:
    return People(stack)


def _settled_books(stack: EmbeddedStack, coupon_id: int) -> Books:
    gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
    with connect_ledger(stack.environment["COUPON_DATABASE_URL"], "test") as ledger:
        books = await_balanced_books(gate, ledger, coupon_id, SETTLED_WITHIN_SECONDS)
    assert books is not None
    assert books.complaints == [], (books, look_at_flow(stack.environment), stack.log_tails())
    return books


def _requested_users(stack: EmbeddedStack, coupon_id: int) -> set[int]:
    with psycopg.connect(stack.environment["COUPON_DATABASE_URL"]) as ledger:
        rows = ledger.execute(
            "SELECT user_id FROM coupon_issue_request WHERE coupon_id = %s", [coupon_id]
        )
        return {row[0] for row in rows}


def test_of_5000_claims_for_1000_places_exactly_1000_are_issued_to_those_who_were_accepted(
    stack: EmbeddedStack, people: People
) -> None:
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
    stack: EmbeddedStack, people: People
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


@pytest.mark.parametrize("part", ["valkey", "postgres", "consumer-1", "connect", "reconciler"])
def test_a_part_that_is_killed_during_claims_costs_no_accepted_request(
    stack: EmbeddedStack, people: People, part: str
) -> None:
    coupon_id = people.create_coupon(total_quantity=1_000_000)
    with steady_claims(people, coupon_id, threads=8) as steady:
        eventually(lambda: steady.statuses[202] > 200, 30, "claims go through")
        stack.kill(part)
        if part in ("valkey", "postgres"):
            eventually(lambda: steady.statuses[503] > 20, 30, "claims are answered with 503")
        stack.restart(part)
        before = steady.statuses[202]
        eventually(lambda: steady.statuses[202] > before + 200, 60, "claims go through again")
    assert set(steady.statuses) <= {200, 202, 503}, steady.statuses
    _settled_books(stack, coupon_id)
    assert steady.accepted <= _requested_users(stack, coupon_id)


def test_claims_go_on_while_connect_is_away_and_are_issued_when_it_is_back(
    stack: EmbeddedStack, people: People
) -> None:
    coupon_id = people.create_coupon(total_quantity=10_000)
    stack.stop("connect")
    answers = people.claim_all(coupon_id, range(1, 2_001), threads=20)
    assert {answer.status_code for _, answer in answers} == {202}
    stack.up()
    books = _settled_books(stack, coupon_id)
    assert books.counts.issued == 2_000


def test_an_api_that_is_killed_loses_no_accepted_request_and_no_place(
    stack: EmbeddedStack, people: People
) -> None:
    """What was admitted and not written is rolled forward, so that no place is lost either."""
    coupon_id = people.create_coupon(total_quantity=1_000_000)
    with steady_claims(people, coupon_id, threads=16) as steady:
        eventually(lambda: steady.statuses[202] > 300, 30, "claims go through")
        stack.kill("api")
        stack.restart("api")
        before = steady.statuses[202]
        eventually(lambda: steady.statuses[202] > before + 100, 60, "claims go through again")
    _settled_books(stack, coupon_id)
    assert steady.accepted <= _requested_users(stack, coupon_id)
