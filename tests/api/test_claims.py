"""What a claim is answered with, and what is true when it is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from threading import Event, Semaphore
from typing import Any

import psycopg
import pytest
from werkzeug.test import Client

from api.rare_lookups import LOOKUPS_AT_ONCE
from api.routes import claims
from coupons.gate import Gate
from coupons.ids import request_id
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import find_coupon
from coupons.model import Coupon, IssueRequest, Status
from tests.api.test_bad_input import is_problem
from tests.support.api import RETRY_AFTER, NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database

Claim = Callable[..., Any]
Rows = Callable[[int], int]


def test_202_means_that_the_row_is_committed(
    new_coupon: NewCoupon, claim: Claim, rows: Rows
) -> None:
    coupon_id = new_coupon()
    answer = claim(coupon_id, 42)
    assert answer.status_code == 202
    assert rows(coupon_id) == 1
    expected = str(request_id(coupon_id, 42))
    assert answer.headers["Location"] == f"/issue-requests/{expected}"
    assert answer.headers["Retry-After"] in RETRY_AFTER
    assert answer.json["requested_at"].endswith("Z")
    assert answer.json == {
        "id": expected,
        "coupon_id": str(coupon_id),
        "user_id": "42",
        "status": "REQUESTED",
        "requested_at": answer.json["requested_at"],
    }


def test_the_same_user_again_gets_the_same_request(
    new_coupon: NewCoupon, claim: Claim, rows: Rows
) -> None:
    coupon_id = new_coupon()
    first, again = claim(coupon_id, 42), claim(coupon_id, 42)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json == first.json
    assert rows(coupon_id) == 1


def test_a_claim_that_is_final_already_answers_with_what_became_of_it(
    new_coupon: NewCoupon, claim: Claim, gate: Gate
) -> None:
    coupon_id = new_coupon()
    issued, rejected = claim(coupon_id, 1).json, claim(coupon_id, 2).json
    now = 1_700_000_000_000_000
    gate.settle(
        [
            IssueRequest(coupon_id, 1, now, Status.ISSUED),
            IssueRequest(coupon_id, 2, now, Status.REJECTED, "sold_out"),
        ]
    )
    again = claim(coupon_id, 1)
    assert again.status_code == 200
    assert again.json["status"] == "ISSUED"
    assert again.json["issued_coupon_id"] == issued["id"]
    assert "Retry-After" not in again.headers
    again = claim(coupon_id, 2)
    assert (again.json["id"], again.json["status"]) == (rejected["id"], "REJECTED")
    assert again.json["reason"] == "sold_out"


def test_a_refusal_says_why_and_writes_nothing(
    new_coupon: NewCoupon,
    claim: Claim,
    rows: Rows,
    client: Client,
    admin: dict[str, str],
) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    early = new_coupon(issue_starts_at=tomorrow)
    late = new_coupon(
        issue_starts_at="2020-01-01T00:00:00Z", issue_ends_at="2020-01-02T00:00:00+09:00"
    )
    paused, closed, scarce = new_coupon(), new_coupon(), new_coupon(total_quantity=1)
    for coupon_id, action in ((paused, "pause"), (closed, "close")):
        assert client.post(f"/coupons/{coupon_id}/{action}", headers=admin).status_code == 200
    assert claim(scarce, 1).status_code == 202
    for coupon_id, reason in (
        (early, "not_open"),
        (late, "closed"),
        (paused, "paused"),
        (closed, "closed"),
        (scarce, "sold_out"),
    ):
        answer = claim(coupon_id, 42)
        assert answer.status_code == 409
        assert answer.content_type == "application/problem+json"
        assert answer.json["reason"] == reason
        assert answer.json["type"] == f"urn:coupon-cdc:problem:{reason.replace('_', '-')}"
        assert rows(coupon_id) == (1 if coupon_id == scarce else 0)


def test_a_coupon_for_a_group_is_for_its_members_only(new_coupon: NewCoupon, claim: Claim) -> None:
    coupon_id = new_coupon(eligible_group="vip")
    refused = claim(coupon_id, 1, groups=["vip-not", "other"])
    assert (refused.status_code, refused.json["reason"]) == (403, "not_eligible")
    assert claim(coupon_id, 2).status_code == 403
    assert claim(coupon_id, 3, groups=["other", "vip"]).status_code == 202


def test_an_unknown_coupon_is_404_even_though_the_gate_cannot_tell(claim: Claim) -> None:
    answer = claim(424242, 1)
    assert (answer.status_code, answer.json["type"]) == (404, "urn:coupon-cdc:problem:not-found")


def test_a_coupon_that_the_gate_lost_is_503_until_it_is_rebuilt(
    new_coupon: NewCoupon, claim: Claim, gate: Gate, rows: Rows
) -> None:
    coupon_id = new_coupon()
    gate.client.flushall()
    answer = claim(coupon_id, 1)
    assert answer.status_code == 503
    assert answer.json["type"] == "urn:coupon-cdc:problem:gate-closed"
    assert answer.headers["Retry-After"] in RETRY_AFTER
    assert rows(coupon_id) == 0


def test_a_claim_admitted_before_the_fence_gives_its_place_back(
    new_coupon: NewCoupon, claim: Claim, gate: Gate, rows: Rows, database: Database
) -> None:
    """A claim admitted before the gate was fenced is not written and gives its place back."""
    coupon_id = new_coupon()
    with psycopg.connect(database.url("coupon_reconciler"), autocommit=True) as reconciler:
        reconciler.execute(
            "UPDATE coupon SET gate_epoch = gate_epoch + 1 WHERE coupon_id = %s", [coupon_id]
        )
    answer = claim(coupon_id, 1)
    assert (answer.status_code, rows(coupon_id)) == (503, 0)
    [figures] = gate.figures([coupon_id])
    assert figures is not None
    assert (figures.admitted, figures.compensated, figures.pending) == (1, 1, 0)


@pytest.mark.parametrize("total", [10, 1000])
def test_claims_at_once_are_accepted_exactly_as_often_as_there_are_places(
    new_coupon: NewCoupon, claim: Claim, rows: Rows, total: int
) -> None:
    coupon_id = new_coupon(total_quantity=total)
    users = [user for user in range(1, 201) for _ in range(2)]
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda user: claim(coupon_id, user), users))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(202) == rows(coupon_id) == min(total, 200)
    accepted = {answer.json["user_id"] for answer in answers if answer.status_code in (200, 202)}
    assert len(accepted) == min(total, 200)
    assert set(statuses) <= {200, 202, 409}


def test_claims_that_ask_the_ledger_take_no_more_than_a_few_of_its_reads(
    claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a coupon that the gate does not have. Beyond that they are soon refused."""
    unknown, go_on = 1_000_000, Event()

    def slow(connection: Connection, coupon_id: int) -> Coupon | None:
        go_on.wait(60)
        return find_coupon(connection, coupon_id)

    monkeypatch.setattr(claims, "find_coupon", slow)
    with ThreadPoolExecutor(LOOKUPS_AT_ONCE + 1) as threads:
        asked = [threads.submit(claim, unknown, user) for user in range(1, LOOKUPS_AT_ONCE + 2)]
        refused = next(as_completed(asked, 60))
        go_on.set()
        is_problem(refused.result(), 503, "overloaded")
        for each in asked:
            if each is not refused:
                is_problem(each.result(), 404, "not-found")


def test_arrivals_and_claims_share_these_reads(
    client: Client, bearer: Bearer, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An arrival at such a coupon is refused while claims have them all."""
    unknown, begun, go_on = 1_000_000, Semaphore(0), Event()

    def slow(connection: Connection, coupon_id: int) -> Coupon | None:
        begun.release()
        go_on.wait(60)
        return find_coupon(connection, coupon_id)

    monkeypatch.setattr(claims, "find_coupon", slow)
    with ThreadPoolExecutor(LOOKUPS_AT_ONCE) as threads:
        asked = [threads.submit(claim, unknown, user) for user in range(1, LOOKUPS_AT_ONCE + 1)]
        try:
            for _ in asked:
                assert begun.acquire(timeout=60)
            arrival = client.post(f"/coupons/{unknown}/waiting-room", json={}, headers=bearer(9))
        finally:
            go_on.set()
        is_problem(arrival, 503, "overloaded")
        for each in asked:
            is_problem(each.result(), 404, "not-found")
