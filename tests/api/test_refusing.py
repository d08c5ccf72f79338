"""A server that answers and takes no writes: readiness says which and why, users hear the truth."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from werkzeug.test import Client

from api.routes.health import Readiness
from coupons.gate import Gate
from coupons.gate.refusals import GateRefusal
from coupons.ledger.abandoned import MOST_ABANDONED
from coupons.ledger.connection import connect_ledger
from coupons.ledger.refusals import LedgerRefusal
from coupons.waiting import eventually
from reconciler.routine_pass import run_pass
from tests.api.test_trouble import figures_of, is_503
from tests.support.api import NewCoupon
from tests.support.databases import Database
from tests.support.refusing import HOW_REDIS_REFUSES, postgres_setting, redis_that

Claim = Callable[..., Any]
Rows = Callable[[int], int]


@pytest.fixture
def coupon_id(new_coupon: NewCoupon) -> int:
    return new_coupon()


def state_of(readiness: Readiness, server: str) -> str:
    status, states = readiness.check()
    assert status == (200 if states["status"] == "ready" else 503)
    return states[server]


@pytest.mark.parametrize("refusal", HOW_REDIS_REFUSES, ids=lambda each: each.name)
def test_readiness_names_a_redis_that_refuses_and_why(
    readiness: Readiness, coupon_id: int, valkey_url: str, refusal: GateRefusal
) -> None:
    assert state_of(readiness, "redis") == "ready"
    with redis_that(refusal, valkey_url):
        assert state_of(readiness, "redis").startswith(f"not ready: {refusal}")
        assert state_of(readiness, "postgres") == "ready"
    assert state_of(readiness, "redis") == "ready"


def test_a_claim_that_redis_refuses_names_no_rebuild_and_works_later(
    claim: Claim, coupon_id: int, rows: Rows, valkey_url: str
) -> None:
    """A claim that redis refuses is not told of a rebuild and works later."""
    with redis_that(GateRefusal.OUT_OF_MEMORY, valkey_url):
        answer = claim(coupon_id, 1)
        is_503(answer, "gate-unavailable")
        assert "rebuil" not in answer.text
        assert "did not answer" not in answer.text
    assert claim(coupon_id, 1).status_code == 202
    assert rows(coupon_id) == 1


def test_a_coupon_made_on_a_redis_that_evicts_waits_for_another_policy(
    new_coupon: NewCoupon, claim: Claim, gate: Gate, database: Database, valkey_url: str
) -> None:
    """A coupon that is made on a redis that may evict keys waits for another policy."""
    with redis_that(GateRefusal.MAY_EVICT, valkey_url):
        coupon_id = new_coupon()
        is_503(claim(coupon_id, 1), "gate-closed")
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        assert list(run_pass(gate, reconciler, 10.0)) != []
    assert claim(coupon_id, 1).status_code == 202


def test_readiness_names_a_postgres_that_only_reads(
    readiness: Readiness, coupon_id: int, claim: Claim, database: Database
) -> None:
    with postgres_setting(database.superuser_url, "default_transaction_read_only", "on"):
        assert state_of(readiness, "postgres").startswith(f"not ready: {LedgerRefusal.READ_ONLY}")
        assert state_of(readiness, "redis") == "ready"
        is_503(claim(coupon_id, 1), "ledger-unavailable")
    # A session takes the setting over at its next statement after the server's reload.
    eventually(lambda: state_of(readiness, "postgres") == "ready", what="it is ready again")


def test_commits_that_no_standby_confirms_are_never_202(
    readiness: Readiness,
    coupon_id: int,
    claim: Claim,
    gate: Gate,
    rows: Rows,
    database: Database,
) -> None:
    """202 means that the commit is as durable as Postgres is set to make it."""
    with postgres_setting(database.superuser_url, "synchronous_standby_names", "nobody"):
        told = state_of(readiness, "postgres")
        assert told.startswith(f"not ready: {LedgerRefusal.STANDBY_AWAY}")
        with ThreadPoolExecutor(8) as threads:
            answers = [threads.submit(claim, coupon_id, user) for user in range(1, 25)]
            eventually(lambda: waiting_commits(database), what="a commit waits")
            while not all(answer.done() for answer in answers):
                assert writers(database) <= 1 + MOST_ABANDONED
        assert {answer.result().status_code for answer in answers} == {503}
        eventually(lambda: waiting_commits(database) == 0, what="nothing waits that was given up")
        eventually(lambda: writers(database) <= 1, what="their sessions have ended")
    assert claim(coupon_id, 1).status_code == 200
    assert figures_of(gate, coupon_id).pending == rows(coupon_id)


def test_claims_behind_a_waiting_alter_leave_no_backend_in_its_queue(
    coupon_id: int, claim: Claim, rows: Rows, database: Database
) -> None:
    with (
        ThreadPoolExecutor(9) as threads,
        psycopg.connect(database.url("coupon_owner")) as alter,
        psycopg.connect(database.url("coupon_owner")) as reader,
    ):
        reader.execute("SELECT FROM coupon_issue_request")
        altering = threads.submit(
            alter.execute, "ALTER TABLE coupon_issue_request ADD COLUMN note text"
        )
        eventually(lambda: in_queue(database, "coupon_owner") == 1)
        answers = [threads.submit(claim, coupon_id, user) for user in range(1, 9)]
        assert {answer.result().status_code for answer in answers} == {503}
        eventually(lambda: in_queue(database, "coupon_api") == 0, 3, "nothing waits any more")
        reader.rollback()
        altering.result()
        alter.rollback()
    assert claim(coupon_id, 1).status_code in (200, 202)
    assert rows(coupon_id) >= 1


def test_a_commit_whose_wait_was_ended_is_not_taken_for_confirmed(
    coupon_id: int, claim: Claim, rows: Rows, database: Database
) -> None:
    """The server then answers as after any commit, with a warning beside it."""
    with (
        postgres_setting(database.superuser_url, "synchronous_standby_names", "nobody"),
        ThreadPoolExecutor(1) as threads,
    ):
        answer = threads.submit(claim, coupon_id, 1)
        while not answer.done():
            end_waits(database)
        is_503(answer.result(), "outcome-unknown")
    assert rows(coupon_id) == 1
    assert claim(coupon_id, 1).status_code == 200


def test_a_coupon_that_no_standby_confirms_is_not_said_to_have_failed(
    client: Client, admin: dict[str, str], database: Database
) -> None:
    """A coupon whose commit no standby confirms is not said to have failed."""
    body = {"name": "of a test", "total_quantity": 3}
    with postgres_setting(database.superuser_url, "synchronous_standby_names", "nobody"):
        is_503(client.post("/coupons", json=body, headers=admin), "outcome-unknown")


def superuser(database: Database) -> psycopg.Connection[Any]:
    options = "-c synchronous_commit=local"
    return psycopg.connect(database.superuser_url, autocommit=True, options=options)


def count(database: Database, condition: str) -> int:
    with superuser(database) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            f" AND backend_type = 'client backend' AND {condition}",
            [database.name],
        ).fetchone()
    assert found is not None
    return int(found[0])


def waiting_commits(database: Database) -> int:
    return count(database, "wait_event = 'SyncRep'")


def writers(database: Database) -> int:
    return count(database, "application_name = 'coupon-api-write'")


def in_queue(database: Database, role: str) -> int:
    return count(database, f"usename = '{role}' AND wait_event_type = 'Lock'")


def end_waits(database: Database) -> None:
    with superuser(database) as connection:
        connection.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        )
