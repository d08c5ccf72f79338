"""A process that was stopped while it held a lock does not keep it for long."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from coupons.gate import Gate
from coupons.gate.rebuild import rebuild
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.silent_sessions import end_when_silent
from coupons.waiting import eventually
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.reconcilers import reconciler as running_reconciler

ROOT = Path(__file__).parents[2]
SILENT_SECONDS = 2
WITHIN_SECONDS = 30
"""Fifteen times as long, for a busy machine; without a limit they would be held for ever."""
ROWS = 300_000
HOLDERS = """
SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
 WHERE l.locktype = 'advisory' AND l.classid = 1668249711 AND l.granted AND a.datname = %s
"""
REQUESTS = """
INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)
SELECT %s, user_id, now() FROM generate_series(1, %s) AS n (user_id)
"""


def _holders(database: Database) -> int:
    """How many sessions hold the lock of a rebuild."""
    with psycopg.connect(database.superuser_url) as connection:
        row = connection.execute(HOLDERS, [database.name]).fetchone()
    return row[0] if row else 0


@contextmanager
def _command(
    database: Database, redis_url: str, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "COUPON_DATABASE_URL": database.url("coupon_reconciler"),
            "COUPON_REDIS_URL": redis_url,
            "COUPON_RECONCILER_TAKEOVER_SECONDS": str(SILENT_SECONDS),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


@pytest.fixture
def large(shop: Shop, database: Database) -> Shop:
    """A coupon whose rebuild takes a second or more."""
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(REQUESTS, [shop.coupon_id, ROWS])
    return shop


def _is_rebuilt_by_another(shop: Shop, connection: Connection) -> bool:
    return rebuild(shop.gate, connection, shop.coupon_id, even_if_open=False) is not None


@pytest.mark.parametrize(
    "arguments", [("gate", "rebuild", "--all"), ("reconcile",)], ids=["rebuild", "reconcile"]
)
def test_a_command_stopped_in_a_rebuild_keeps_its_coupon_shut_briefly(
    large: Shop,
    database: Database,
    valkey_url: str,
    reconciler: Connection,
    arguments: tuple[str, ...],
) -> None:
    """A command that is stopped in a rebuild keeps its coupon shut for seconds."""
    large.gate.client.flushall()
    with _command(database, valkey_url, *arguments) as process:
        eventually(lambda: _holders(database) == 1, WITHIN_SECONDS, "it rebuilds")
        process.send_signal(signal.SIGSTOP)
        eventually(
            lambda: _is_rebuilt_by_another(large, reconciler), WITHIN_SECONDS, "the lock is free"
        )
        # What it goes on with when it wakes up is void: it opens nothing and takes nothing back.
        process.send_signal(signal.SIGCONT)
        assert process.wait(WITHIN_SECONDS) != 0
    [figures] = large.gate.figures([large.coupon_id])
    assert figures is not None
    assert (figures.state, figures.pending) == ("open", ROWS)
    assert figures.epoch == large.ledger().gate_epoch


def test_a_stopped_reconciler_keeps_its_coupon_shut_briefly(
    large: Shop, gate: Gate, database: Database, valkey_url: str, reconciler: Connection
) -> None:
    """A reconciler that is stopped in a comparison keeps its coupon shut for seconds."""
    gate.client.flushall()
    with running_reconciler(database, valkey_url) as process:
        eventually(lambda: _holders(database) == 1, WITHIN_SECONDS, "it rebuilds")
        process.send_signal(signal.SIGSTOP)
        eventually(
            lambda: _is_rebuilt_by_another(large, reconciler), WITHIN_SECONDS, "the lock is free"
        )


def test_a_session_whose_process_takes_no_rows_is_ended(database: Database) -> None:
    """The server is not idle then, but sending."""
    with (
        closing(connect_ledger(database.url("coupon_reconciler"), "takes-nothing")) as stopped,
        psycopg.connect(database.superuser_url, autocommit=True) as others,
    ):
        end_when_silent(stopped, SILENT_SECONDS)
        stopped.execute("SELECT pg_advisory_lock(1668249711, 1)")
        stopped.pgconn.send_query(b"SELECT repeat('x', 1000) FROM generate_series(1, 1000000)")

        def waits_for() -> str | None:
            row = others.execute(
                "SELECT wait_event FROM pg_stat_activity WHERE application_name = 'takes-nothing'"
            ).fetchone()
            return str(row[0]) if row else None

        eventually(lambda: waits_for() == "ClientWrite", WITHIN_SECONDS, "it sends")
        eventually(lambda: waits_for() is None, WITHIN_SECONDS, "the session has ended")
        assert _holders(database) == 0


def test_every_process_has_its_silent_transactions_ended(shop: Shop, database: Database) -> None:
    """A consumer or an API that is stopped in the middle keeps no row locked for long."""
    for role in ("coupon_api", "coupon_consumer", "coupon_reconciler"):
        with connect_ledger(database.url(role), "test") as connection:
            row = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
        assert row == ("30s",)
