"""Answers that were lost on the way, of Postgres and of Redis: nobody's claim is, and no place."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import psycopg
import pytest
from werkzeug.test import Client

from chaos.link import Link
from coupons.gate import Gate
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.waiting import eventually
from operations.verify.report import check_consistency
from reconciler.routine_pass import run_pass
from tests.api.test_trouble import PATIENCE_SECONDS, figures_of, is_503, writers_waiting
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database

Claim = Callable[..., Any]
Rows = Callable[[int], int]


@pytest.fixture
def coupon_id(new_coupon: NewCoupon, claim: Claim) -> int:
    """A coupon with one place taken, so that the writer's connection is made and idle."""
    made = new_coupon()
    assert claim(made, 1).status_code == 202
    return made


@pytest.fixture
def reconciler(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
        yield connection


def _status(client: Client, bearer: Bearer, location: str, user: int) -> str:
    answer = client.get(location, headers=bearer(user))
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["status"])


@pytest.mark.parametrize("lost", ["answers", "requests"])
def test_a_commit_that_broke_is_202_whether_it_got_through_or_not(
    lost: Any, coupon_id: int, claim: Claim, gate: Gate, rows: Rows, postgres_link: Link
) -> None:
    postgres_link.break_next(1, lost)
    assert claim(coupon_id, 2).status_code == 202
    assert rows(coupon_id) == 2
    figures = figures_of(gate, coupon_id)
    assert (figures.pending, figures.compensated) == (2, 0)


def test_an_unknown_outcome_is_listed_and_written_by_the_reconciler(
    coupon_id: int,
    claim: Claim,
    client: Client,
    bearer: Bearer,
    gate: Gate,
    rows: Rows,
    postgres_link: Link,
    reconciler: Connection,
) -> None:
    """An unknown outcome without a row is listed and written by the reconciler."""
    postgres_link.deafen()
    unknown = claim(coupon_id, 2)
    is_503(unknown, "outcome-unknown")
    location = unknown.headers["Location"]
    assert _status(client, bearer, location, 2) == "REQUESTED"
    assert rows(coupon_id) == 1
    books = check_consistency(gate, reconciler, coupon_id)
    assert books is not None
    assert (2, "unwritten") in {(fault.user_id, fault.why) for fault in books.discrepancies}
    [repair] = run_pass(gate, reconciler, pending_after_s=0.0)
    assert (repair.kind, repair.requests) == ("rolled_forward", 1)
    assert rows(coupon_id) == 2
    postgres_link.restore()
    assert claim(coupon_id, 2).headers["Location"] == location
    assert _status(client, bearer, location, 2) == "REQUESTED"


def test_an_unknown_outcome_with_a_row_is_settled_as_any_other(
    coupon_id: int,
    claim: Claim,
    client: Client,
    bearer: Bearer,
    gate: Gate,
    rows: Rows,
    database: Database,
    postgres_link: Link,
    reconciler: Connection,
) -> None:
    postgres_link.silence()
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(claim, coupon_id, 2)
        eventually(lambda: rows(coupon_id) == 2, 60, what="the row is committed")
        postgres_link.cut()
        unknown = answer.result()
    is_503(unknown, "outcome-unknown")
    location = unknown.headers["Location"]
    assert _status(client, bearer, location, 2) == "REQUESTED"
    assert list(run_pass(gate, reconciler, pending_after_s=0.0)) == []
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        issue_or_reject(consumer, find_requests(consumer, [(coupon_id, 2)]))
    [repair] = run_pass(gate, reconciler, pending_after_s=0.0)
    assert (repair.kind, repair.requests) == ("marked", 1)
    assert _status(client, bearer, location, 2) == "ISSUED"
    assert rows(coupon_id) == 2


@pytest.mark.usefixtures("patient_writes")
def test_a_write_that_postgres_refused_gives_its_place_back(
    coupon_id: int, claim: Claim, gate: Gate, rows: Rows, database: Database
) -> None:
    with (
        psycopg.connect(database.url("coupon_owner")) as blocker,
        ThreadPoolExecutor(1) as threads,
    ):
        blocker.execute("SELECT FROM coupon WHERE coupon_id = %s FOR UPDATE", [coupon_id])
        answer = threads.submit(claim, coupon_id, 2)
        [pid] = eventually(lambda: writers_waiting(database), 60, what="the write waits")
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            superuser.execute("SELECT pg_cancel_backend(%s)", [pid])
        is_503(answer.result(), "ledger-unavailable")
        blocker.rollback()
    figures = figures_of(gate, coupon_id)
    assert (figures.pending, figures.compensated, rows(coupon_id)) == (1, 1, 1)
    assert claim(coupon_id, 2).status_code == 202


@pytest.mark.usefixtures("patient_writes")
def test_an_old_backend_that_still_writes_does_not_make_a_second_row(
    coupon_id: int, claim: Claim, rows: Rows, database: Database, postgres_link: Link
) -> None:
    """Its client is gone and it does not know: the second attempt waits for it."""
    with (
        psycopg.connect(database.url("coupon_owner")) as blocker,
        ThreadPoolExecutor(1) as threads,
    ):
        blocker.execute("SELECT FROM coupon WHERE coupon_id = %s FOR UPDATE", [coupon_id])
        answer = threads.submit(claim, coupon_id, 2)
        eventually(lambda: writers_waiting(database), 60, what="the write waits")
        postgres_link.cut()
        postgres_link.restore()
        eventually(lambda: len(writers_waiting(database)) == 2, 60, what="both wait")
        blocker.rollback()
        assert answer.result().status_code == 202
    assert rows(coupon_id) == 2


def test_an_old_backend_that_never_ends_is_waited_for_within_a_bound(
    coupon_id: int,
    claim: Claim,
    client: Client,
    bearer: Bearer,
    gate: Gate,
    rows: Rows,
    database: Database,
) -> None:
    with psycopg.connect(database.url("coupon_owner")) as old_backend:
        old_backend.execute(
            "INSERT INTO coupon_issue_request VALUES (%s, 2, clock_timestamp())", [coupon_id]
        )
        began = monotonic()
        unknown = claim(coupon_id, 2)
        assert monotonic() - began < PATIENCE_SECONDS
        is_503(unknown, "outcome-unknown")
        assert _status(client, bearer, unknown.headers["Location"], 2) == "REQUESTED"
        old_backend.commit()
    assert figures_of(gate, coupon_id).pending == 2
    assert claim(coupon_id, 2).status_code == 200
    assert rows(coupon_id) == 2


def test_an_admission_whose_answer_was_lost_is_asked_for_again(
    coupon_id: int, claim: Claim, gate: Gate, rows: Rows, redis_link: Link
) -> None:
    """An admission whose answer was lost once is asked for again and accepted."""
    redis_link.break_next(1, "answers")
    assert claim(coupon_id, 2).status_code in (200, 202)
    figures = figures_of(gate, coupon_id)
    assert (figures.admitted, figures.pending, rows(coupon_id)) == (2, 2, 2)


@pytest.mark.parametrize("who", ["the user", "the reconciler"])
def test_an_admission_whose_answer_was_lost_is_finished_by_either(
    who: str,
    coupon_id: int,
    claim: Claim,
    gate: Gate,
    rows: Rows,
    redis_link: Link,
    reconciler: Connection,
) -> None:
    redis_link.break_next(2, "answers")
    lost = claim(coupon_id, 2)
    is_503(lost, "gate-unavailable")
    assert "may have been admitted" in lost.json["detail"]
    assert (figures_of(gate, coupon_id).pending, rows(coupon_id)) == (2, 1)
    if who == "the user":
        answer = claim(coupon_id, 2)
        assert answer.status_code in (200, 202)
        assert answer.headers["Location"] == lost.headers["Location"]
    else:
        [repair] = run_pass(gate, reconciler, pending_after_s=0.0)
        assert (repair.kind, repair.requests) == ("rolled_forward", 1)
    figures = figures_of(gate, coupon_id)
    assert (figures.admitted, figures.pending, rows(coupon_id)) == (2, 2, 2)


def test_an_administrators_write_whose_answer_was_lost_is_outcome_unknown(
    coupon_id: int,
    client: Client,
    admin: dict[str, str],
    database: Database,
    postgres_link: Link,
) -> None:
    path = f"/coupons/{coupon_id}/pause"
    with (
        psycopg.connect(database.url("coupon_owner")) as blocker,
        ThreadPoolExecutor(1) as threads,
    ):
        blocker.execute("SELECT FROM coupon WHERE coupon_id = %s FOR UPDATE", [coupon_id])
        answer = threads.submit(client.post, path, headers=admin)
        eventually(lambda: writers_waiting(database), 60, what="the write waits")
        postgres_link.cut()
        is_503(answer.result(), "outcome-unknown")
        postgres_link.restore()
    again = client.post(path, headers=admin)
    assert (again.status_code, again.get_json()["state"]) == (200, "paused")
