"""Redis or Postgres in trouble: what a claim is told, what becomes of its place, and recovery."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import psycopg
import pytest
from werkzeug.test import Client

from api.routes.health import Readiness
from chaos.link import Link
from coupons.gate import Gate, GateFigures
from coupons.ids import request_id
from coupons.waiting import eventually
from tests.support.api import RETRY_AFTER, NewCoupon
from tests.support.databases import Database

Claim = Callable[..., Any]
Rows = Callable[[int], int]

PATIENCE_SECONDS = 12.0
"""A request is answered within about 4 s whatever is down; the rest is for a busy machine.

Eight requests that waited one after the other, or for what hangs, would take longer.
"""


def figures_of(gate: Gate, coupon_id: int) -> GateFigures:
    [figures] = gate.figures([coupon_id])
    assert figures is not None
    return figures


def is_503(answer: Any, kind: str) -> None:
    assert (answer.status_code, answer.json["type"]) == (503, f"urn:coupon-cdc:problem:{kind}")
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] in RETRY_AFTER


def writers_waiting(database: Database) -> list[int]:
    """Process ids of the API's backends that wait for a lock."""
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'coupon-api%%'"
            " AND datname = %s AND wait_event_type = 'Lock'",
            [database.name],
        )
        return [row[0] for row in found]


def test_with_postgres_down_a_claim_is_503_and_its_place_is_given_back(
    new_coupon: NewCoupon, claim: Claim, gate: Gate, rows: Rows, postgres_link: Link
) -> None:
    coupon_id = new_coupon()
    postgres_link.cut()
    is_503(claim(coupon_id, 1), "ledger-unavailable")
    figures = figures_of(gate, coupon_id)
    assert (figures.admitted, figures.compensated, figures.pending) == (1, 1, 0)
    postgres_link.restore()
    assert claim(coupon_id, 1).status_code == 202
    assert rows(coupon_id) == 1


def test_a_connection_that_died_while_idle_costs_no_claim(
    new_coupon: NewCoupon, claim: Claim, rows: Rows, postgres_link: Link
) -> None:
    coupon_id = new_coupon()
    assert claim(coupon_id, 1).status_code == 202
    postgres_link.cut()
    postgres_link.restore()
    assert claim(coupon_id, 2).status_code == 202
    assert rows(coupon_id) == 2


@pytest.mark.usefixtures("patient_writes")
def test_a_commit_whose_answer_was_lost_is_asked_for_again_and_then_202(
    new_coupon: NewCoupon,
    claim: Claim,
    gate: Gate,
    rows: Rows,
    postgres_link: Link,
) -> None:
    coupon_id = new_coupon()
    assert claim(coupon_id, 1).status_code == 202
    postgres_link.silence()
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(claim, coupon_id, 2)
        eventually(lambda: rows(coupon_id) == 2, what="the row is committed")
        postgres_link.restore()
        assert answer.result().status_code == 202
    assert rows(coupon_id) == 2
    assert figures_of(gate, coupon_id).pending == 2


def test_an_outcome_that_stays_unknown_keeps_its_place(
    new_coupon: NewCoupon,
    claim: Claim,
    gate: Gate,
    rows: Rows,
    postgres_link: Link,
) -> None:
    """Also when later attempts fail for certain: the first may have been committed, as here."""
    coupon_id = new_coupon()
    assert claim(coupon_id, 1).status_code == 202
    postgres_link.silence()
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(claim, coupon_id, 2)
        eventually(lambda: rows(coupon_id) == 2, what="the row is committed")
        postgres_link.cut()
        unknown = answer.result()
    is_503(unknown, "outcome-unknown")
    expected = str(request_id(coupon_id, 2))
    assert unknown.headers["Location"] == f"/issue-requests/{expected}"
    assert unknown.json["request_id"] == expected
    figures = figures_of(gate, coupon_id)
    assert (figures.admitted, figures.compensated, figures.pending) == (2, 0, 2)
    postgres_link.restore()
    again = claim(coupon_id, 2)
    assert (again.status_code, again.json["id"]) == (200, expected)


def test_a_claim_that_the_gate_admitted_before_never_gives_its_place_back(
    new_coupon: NewCoupon, claim: Claim, gate: Gate, rows: Rows, postgres_link: Link
) -> None:
    coupon_id = new_coupon()
    assert claim(coupon_id, 1).status_code == 202
    postgres_link.cut()
    is_503(claim(coupon_id, 1), "outcome-unknown")
    is_503(claim(coupon_id, 1), "ledger-unavailable")
    assert figures_of(gate, coupon_id).pending == 1


@pytest.mark.usefixtures("patient_writes")
def test_a_backend_terminated_in_the_middle_of_a_batch_loses_no_claim(
    new_coupon: NewCoupon, claim: Claim, rows: Rows, database: Database
) -> None:
    coupon_id = new_coupon()
    with (
        psycopg.connect(database.url("coupon_owner")) as blocker,
        ThreadPoolExecutor(20) as threads,
    ):
        blocker.execute("SELECT FROM coupon WHERE coupon_id = %s FOR UPDATE", [coupon_id])
        answers = [threads.submit(claim, coupon_id, user) for user in range(1, 21)]
        [pid] = eventually(lambda: writers_waiting(database), what="a batch waits for the lock")
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            superuser.execute("SELECT pg_terminate_backend(%s)", [pid])
        blocker.rollback()
        assert [answer.result().status_code for answer in answers] == [202] * 20
    assert rows(coupon_id) == 20


def test_with_redis_down_a_claim_is_503_and_nothing_is_written(
    new_coupon: NewCoupon, claim: Claim, rows: Rows, redis_link: Link
) -> None:
    coupon_id = new_coupon()
    redis_link.cut()
    is_503(claim(coupon_id, 1), "gate-unavailable")
    assert rows(coupon_id) == 0
    redis_link.restore()
    assert claim(coupon_id, 1).status_code == 202


def test_with_redis_down_a_status_comes_from_the_ledger(
    new_coupon: NewCoupon,
    claim: Claim,
    client: Client,
    bearer: Callable[..., dict[str, str]],
    redis_link: Link,
    postgres_link: Link,
) -> None:
    location = claim(new_coupon(), 1).headers["Location"]
    redis_link.cut()
    answer = client.get(location, headers=bearer(1))
    assert (answer.status_code, answer.get_json()["status"]) == (200, "REQUESTED")
    postgres_link.cut()
    is_503(client.get(location, headers=bearer(1)), "ledger-unavailable")


def test_a_server_that_hangs_is_answered_for_within_seconds(
    new_coupon: NewCoupon, claim: Claim, redis_link: Link, postgres_link: Link
) -> None:
    coupon_id = new_coupon()
    assert claim(coupon_id, 1).status_code == 202
    for link, kind in ((redis_link, "gate-unavailable"), (postgres_link, "outcome-unknown")):
        link.silence()
        began = monotonic()
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda user: claim(coupon_id, user), range(10, 18)))
        assert monotonic() - began < PATIENCE_SECONDS
        kinds = {answer.json["type"].rpartition(":")[2] for answer in answers}
        assert kind in kinds
        assert {answer.status_code for answer in answers} == {503}
        link.restore()
        assert claim(coupon_id, 10).status_code in (200, 202)


def test_readiness_names_what_is_missing_and_liveness_does_not_care(
    client: Client, readiness: Readiness, redis_link: Link, postgres_link: Link
) -> None:
    ready = {"workers": "ready", "redis": "ready", "postgres": "ready"}
    assert readiness.check() == (200, {"status": "ready", **ready})
    redis_link.cut()
    status, states = readiness.check()
    assert (status, states["postgres"]) == (503, "ready")
    assert states["redis"].startswith("not ready: ")
    redis_link.restore()
    postgres_link.cut()
    status, states = readiness.check()
    assert (status, states["redis"]) == (503, "ready")
    assert states["postgres"].startswith("not ready: ")
    assert client.get("/healthz").status_code == 200
    postgres_link.restore()
    eventually(lambda: readiness.check()[0] == 200, what="ready again")


def test_a_coupon_made_while_redis_is_down_exists(
    client: Client, admin: dict[str, str], redis_link: Link
) -> None:
    redis_link.cut()
    body = {"name": "of a test", "total_quantity": 3}
    made = client.post("/coupons", json=body, headers=admin)
    assert (made.status_code, made.get_json()["places_left"]) == (201, None)
    read = client.get(made.headers["Location"], headers=admin)
    assert (read.status_code, read.get_json()["name"]) == (200, "of a test")


def test_a_postgres_that_only_reads_is_503_for_every_write(
    new_coupon: NewCoupon,
    claim: Claim,
    client: Client,
    admin: dict[str, str],
    gate: Gate,
    rows: Rows,
    database: Database,
) -> None:
    """A postgres that only reads is 503 for every write and heals without a restart."""
    coupon_id = new_coupon()
    _only_reads(database, "on")
    is_503(claim(coupon_id, 1), "ledger-unavailable")
    figures = figures_of(gate, coupon_id)
    assert (figures.admitted, figures.compensated, figures.pending) == (1, 1, 0)
    is_503(client.post(f"/coupons/{coupon_id}/pause", headers=admin), "ledger-unavailable")
    body = {"name": "of a test", "total_quantity": 1}
    is_503(client.post("/coupons", json=body, headers=admin), "ledger-unavailable")
    assert client.get(f"/coupons/{coupon_id}", headers=admin).status_code == 200
    _only_reads(database, "off")
    assert claim(coupon_id, 1).status_code == 202
    assert rows(coupon_id) == 1


def test_a_table_that_is_away_is_503_and_no_fault_of_the_api(
    new_coupon: NewCoupon, claim: Claim, rows: Rows, database: Database
) -> None:
    coupon_id = new_coupon()
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("ALTER TABLE coupon_issue_request RENAME TO away")
    is_503(claim(coupon_id, 1), "ledger-unavailable")
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("ALTER TABLE away RENAME TO coupon_issue_request")
    assert claim(coupon_id, 1).status_code == 202
    assert rows(coupon_id) == 1


def _only_reads(database: Database, on: str) -> None:
    """As after a failover to a standby: sessions from now on cannot write, the others are cut."""
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(
            f"ALTER DATABASE {database.name} SET default_transaction_read_only = {on}"
        )
        superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
            [database.name],
        )
