"""A monitor that starts before `coupon migrate` says what is unknown, why, and what to type."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import yoyo

from coupons.ledger.migrations import admit_roles, create_database, migrate
from coupons.ledger.roles import OWNER
from coupons.queries import SQL_FOLDER
from coupons.waiting import eventually
from stack.ports import HOST, free_ports
from tests.monitor.conftest import NOWHERE
from tests.monitor.page.conftest import LINK_KEY, Operator, code
from tests.monitor.page.words import text_of
from tests.support.api_process import ROOT
from tests.support.databases import Database, Databases
from tests.support.servers import PostgresServer

OF_0_2_0 = "0009"
TYPE = "run coupon migrate"
PAGES = [
    *("/", "/live", "/coupons", "/coupons/1", "/coupons/1/live", "/coupons/1/stock"),
    *("/requests", "/requests?coupon=1&user=1", "/requests?user=1", "/audit", "/dead-letters"),
    *("/stream", "/stream/live", "/stream/rebuild?coupon=1", "/stream/recover", "/stream/restart"),
]
COUPON = """
INSERT INTO coupon (name, total_quantity, issue_starts_at, issue_ends_at, state)
VALUES ('of a test', 10, now(), now() + interval '1 hour', 'open')
"""

MigrateTo = Callable[[str], Database]


@pytest.fixture
def migrate_to(databases: Databases, postgres_server: PostgresServer) -> Iterator[MigrateTo]:
    """A database with a coupon, at the migration whose number begins so."""
    assert databases  # it made the roles
    made = Database(postgres_server.superuser_url, f"older_{os.getpid()}")
    create_database(made.superuser_url, made.name, OWNER)

    def apply(last: str) -> Database:
        admit_roles(made.superuser_url, made.name)
        migrations = yoyo.read_migrations(str(SQL_FOLDER / "migrations"))
        backend = yoyo.get_backend(made.url(OWNER).replace("postgresql:", "postgresql+psycopg:"))
        older = migrations.filter(lambda each: each.id[: len(last)] <= last)
        assert 0 < len(older) < len(migrations)
        backend.apply_migrations(backend.to_apply(older))
        backend.connection.close()
        with psycopg.connect(made.url(OWNER), autocommit=True) as owner:
            owner.execute(COUPON)
        return made

    yield apply
    with psycopg.connect(made.superuser_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {made.name} WITH (FORCE)".encode())


class Process:
    """`python -m monitor`, and what it wrote."""

    def __init__(self, database_url: str, operator_url: str, redis_url: str, log: Path) -> None:
        port = free_ports(["monitor"])["monitor"]
        environment = {
            "PATH": os.environ["PATH"],
            "COUPON_DATABASE_URL": database_url,
            "COUPON_MONITOR_OPERATOR_DATABASE_URL": operator_url,
            "COUPON_REDIS_URL": redis_url,
            "COUPON_KAFKA_BOOTSTRAP_SERVERS": NOWHERE,
            "COUPON_CONNECT_URL": f"http://{NOWHERE}",
            "COUPON_SCHEMA_REGISTRY_URL": f"http://{NOWHERE}",
            "COUPON_MONITOR_PORT": str(port),
            "COUPON_MONITOR_LINK_KEY": LINK_KEY,
            # A reading that takes longer is unknown for that reason, and not for the schema.
            "COUPON_MONITOR_INTERVAL_SECONDS": "5",
            "COUPON_MONITOR_TIMEOUT_SECONDS": "5",
        }
        self.url = f"http://{HOST}:{port}"
        self._log = log
        with log.open("w") as written:
            command = [sys.executable, "-m", "monitor"]
            self.process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=written)

    def ask(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=30)

    def postgres(self) -> dict[str, Any]:
        """What /state.json says of it; empty while the monitor does not answer."""
        with suppress(requests.ConnectionError):
            source = self.ask("/state.json").json()["sources"]["postgres"]
            return {} if source["why"] == "it was not read yet" else source
        return {}

    def operator(self) -> Operator:
        browser, link = Operator(self.url), code(acts=True)
        form = browser.get(f"/sign-in/{link}")
        assert browser.post("/sign-in", csrf_token=form.csrf_token, code=link).status == 303
        return browser

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")


@contextmanager
def running(
    database: Database, valkey_url: str, folder: Path, role_url: str | None = None
) -> Iterator[Process]:
    monitor = role_url or database.url("coupon_monitor")
    started = Process(monitor, database.url("coupon_ops"), valkey_url, folder / "log")
    try:
        eventually(started.postgres, 60, "the monitor has read Postgres")
        yield started
    finally:
        started.process.terminate()
        started.process.wait(20)


@pytest.mark.parametrize("last", [OF_0_2_0, "0010", "0012"])
def test_no_page_fails_and_each_that_cannot_be_shown_says_to_migrate(
    migrate_to: MigrateTo, valkey_url: str, tmp_path: Path, last: str
) -> None:
    with running(migrate_to(last), valkey_url, tmp_path) as monitor:
        operator = monitor.operator()
        answers = {path: operator.get(path) for path in PAGES}
        assert {path: each.status for path, each in answers.items() if each.status == 500} == {}
        audit = answers["/audit"]
        assert audit.status == 503
        assert TYPE in text_of(audit)
        token = answers["/coupons/1/stock"].csrf_token
        for action in ("/coupons/1/pause", "/stream/restart"):
            done = operator.post(action, csrf_token=token, version="1")
            assert done.status != 500, action
        assert monitor.ask("/metrics").status_code == 200
    assert "Traceback" not in monitor.log


def test_without_the_rights_of_its_role_the_monitor_says_to_migrate_everywhere(
    migrate_to: MigrateTo, valkey_url: str, tmp_path: Path
) -> None:
    database = migrate_to(OF_0_2_0)
    with running(database, valkey_url, tmp_path) as monitor:
        source = monitor.postgres()
        assert not source["known"]
        assert "`coupon migrate`" in source["why"]
        operator = monitor.operator()
        assert TYPE in text_of(operator.get("/"))
        of_user = operator.get("/requests?user=1")
        assert of_user.status == 503
        assert TYPE in text_of(of_user)
        metrics = monitor.ask("/metrics").text
        assert 'part="postgres"} 0.0' in metrics
        assert "\ncoupon_ledger_requests{" not in metrics
        migrate(database.url(OWNER))
        eventually(lambda: monitor.postgres().get("known"), 60, "it goes on by itself")
        metrics = monitor.ask("/metrics").text
        assert 'part="postgres"} 1.0' in metrics
        assert "\ncoupon_ledger_requests{" in metrics


def test_without_its_role_the_monitor_says_to_migrate(
    migrate_to: MigrateTo, valkey_url: str, tmp_path: Path
) -> None:
    """A server of version 0.2.0 does not have the role: it refuses the password."""
    database = migrate_to(OF_0_2_0)
    missing = database.url("coupon_monitor").replace("coupon_monitor", "coupon_missing")
    with running(database, valkey_url, tmp_path, missing) as monitor:
        assert "`coupon migrate`" in monitor.postgres()["why"]
        assert monitor.ask("/healthz").status_code == 200, "the monitor itself works"
