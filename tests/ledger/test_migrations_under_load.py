"""`coupon migrate` on the previous release's schema with many requests, while claims come in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from threading import Event, Thread

import psycopg
import pytest

from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.migrations import admit_roles, create_database, migrate
from coupons.ledger.requests import accept_requests
from coupons.ledger.roles import OWNER
from coupons.model import Admission, IssueRequest, Status
from coupons.waiting import eventually
from tests.support.databases import Database, Databases
from tests.support.previous_version import Version
from tests.support.servers import PostgresServer

MIGRATE = "import sys; from coupons.ledger.migrations import migrate; migrate(sys.argv[1])"
REQUESTS = 20_000
PAST, RUSH = 1, 2
FILL = f"""
INSERT INTO coupon (coupon_id, name, total_quantity)
VALUES ({PAST}, 'past', {REQUESTS}), ({RUSH}, 'rush', 1000000);
INSERT INTO coupon_issue_request SELECT {PAST}, n, now() FROM generate_series(1, {REQUESTS}) AS n;
INSERT INTO issued_coupon SELECT n, {PAST}, now(), now() FROM generate_series(1, {REQUESTS}) AS n;
UPDATE coupon SET issued_count = {REQUESTS} WHERE coupon_id = {PAST};
ANALYZE;
"""
WORK = b"""
SELECT c.relname, c.relfilenode, s.seq_tup_read / %s AS scans
  FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
 WHERE c.relname IN ('coupon_issue_request', 'issued_coupon', 'issue_rejection')
 ORDER BY c.relname
"""
"""Another file: the table was written anew. Scans: how often it was read from end to end."""

BLOCKED_AT_MOST = "SET lock_timeout = '5s'"
"""It is a tenth of a second on an idle machine, and half of one was seen on a busy one."""


@pytest.fixture
def filled(
    databases: Databases, postgres_server: PostgresServer, previous_version: Version
) -> Iterator[Database]:
    """A database as the previous release has it, with a past."""
    assert databases  # it made the roles
    made = Database(postgres_server.superuser_url, f"filled_{os.getpid()}")
    create_database(made.superuser_url, made.name, OWNER)
    try:
        admit_roles(made.superuser_url, made.name)
        command = [sys.executable, "-c", MIGRATE, made.url(OWNER)]
        subprocess.run(command, cwd=previous_version.source, check=True)
        with psycopg.connect(made.url(OWNER), autocommit=True) as owner:
            owner.execute(FILL.encode())
        yield made
    finally:
        with psycopg.connect(made.superuser_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {made.name} WITH (FORCE)".encode())


class Rush:
    """Claims that are accepted and issued one by one, by two processes' connections."""

    def __init__(self, database: Database, epoch: int) -> None:
        self.issued, self.failures = 0, list[Exception]()
        self._stop = Event()
        self._api = _connected(database, "coupon_api")
        self._consumer = _connected(database, "coupon_consumer")
        self._thread = Thread(target=self._run, args=(epoch,))

    def __enter__(self) -> "Rush":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._api.close()
        self._consumer.close()

    def _run(self, epoch: int) -> None:
        try:
            for user in count(1):
                if self._stop.is_set():
                    return
                moment_us = 1_700_000_000_000_000 + user
                admitted = Admission(RUSH, user, moment_us, epoch, repeated=False)
                assert accept_requests(self._api, [admitted]) == {RUSH}
                request = IssueRequest(RUSH, user, moment_us, Status.REQUESTED)
                [outcome] = issue_or_reject(self._consumer, [request])
                assert outcome.request.status is Status.ISSUED
                self.issued += 1
        except Exception as error:
            self.failures.append(error)


def _connected(database: Database, role: str) -> Connection:
    connection = connect_ledger(database.url(role), "rush")
    connection.execute(BLOCKED_AT_MOST)
    return connection


def _sessions(database: Database) -> int:
    statement = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = %s AND backend_type = 'client backend'"
    )
    with psycopg.connect(database.superuser_url) as superuser:
        row = superuser.execute(statement, [database.name]).fetchone()
    assert row is not None
    return int(row[0])


def _work(database: Database) -> list[tuple[str, int, int]]:
    """What was done by sessions that have ended: Postgres counts the last of it at their end."""
    eventually(lambda: _sessions(database) == 0, 30, "all sessions have ended")
    with psycopg.connect(database.url(OWNER), autocommit=True) as owner:
        return owner.execute(WORK, [REQUESTS]).fetchall()


def test_claims_go_on_while_the_schema_is_migrated(filled: Database) -> None:
    """No claim is held up, and no table of requests is rewritten or read as a whole.

    So it takes no longer with a million requests than with these.
    """
    with psycopg.connect(filled.url(OWNER), autocommit=True) as owner:
        row = owner.execute(b"SELECT gate_epoch FROM coupon WHERE coupon_id = %s", [RUSH])
        [epoch] = row.fetchone() or [0]
    before = _work(filled)
    with Rush(filled, epoch) as rush:
        eventually(lambda: rush.issued > 5 or rush.failures, 20, "claims are issued")
        applied = migrate(filled.url(OWNER))
        migrated_at = rush.issued
        eventually(lambda: rush.issued > migrated_at + 5 or rush.failures, 20, "and go on")
    assert rush.failures == []
    assert applied
    assert _work(filled) == before
