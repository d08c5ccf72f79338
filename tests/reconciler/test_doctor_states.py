"""Every state of gate and ledger that the runbook has a page for is found, on real servers."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, tzinfo
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from coupons.gate import Gate
from coupons.gate.heartbeat import record_heartbeat
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import begin_gate_epoch
from coupons.waiting import eventually
from operations.doctor import requests
from operations.doctor.consistency import check_consistency, differing
from operations.doctor.findings import Finding, Level, Section
from operations.doctor.gate import check_gate, check_redis
from operations.doctor.health import check_api, check_consumers
from operations.doctor.machine import FULL_MIB, NEARLY_FULL_MIB, disk_finding
from operations.doctor.postgres import check_database
from operations.doctor.requests import check_final
from operations.doctor.stream import OLD_HEARTBEAT_SECONDS, check_heartbeat
from operations.doctor.system import System
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.http_servers import serving
from tests.support.servers import ValkeyServer

Served = Callable[[int, bytes], str]


@pytest.fixture
def places(database: Database, valkey_url: str) -> System:
    """Postgres and Redis of the test; nothing else."""
    return System(
        None, None, database.url("coupon_ops"), valkey_url, KafkaClient(""), "", "", "group"
    )


def ill(found: Iterator[Finding]) -> list[tuple[Level, Section | None]]:
    return [(each.level, each.section) for each in found if each.level is not Level.OK]


def test_an_open_gate_is_in_order(places: System, shop: Shop) -> None:
    assert ill(check_gate(places)) == []
    assert ill(check_consistency(places)) == []
    assert ill(check_redis(places)) == []


def test_a_flushed_gate_is_found(places: System, shop: Shop) -> None:
    shop.gate.client.flushall()
    assert ill(check_gate(places)) == [(Level.FAILING, Section.GATE_UNAVAILABLE)]


def test_a_fenced_gate_is_found(places: System, shop: Shop, database: Database) -> None:
    """A rebuild began in the ledger, and did not get as far as Redis."""
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        assert begin_gate_epoch(reconciler, shop.coupon_id, 1)
    [found] = [each for each in check_gate(places) if each.level is Level.FAILING]
    assert found.section is Section.GATE_UNAVAILABLE
    assert "fenced" in found.says


def test_an_older_copy_of_redis_is_found(
    places: System, shop: Shop, gate: Gate, valkey_server: ValkeyServer
) -> None:
    shop.accept(1, 2)
    shop.issue(1)
    shop.issue(2, mark=False)
    valkey_server.stop()
    valkey_server.start()
    assert ill(check_gate(places)) == [
        (Level.FAILING, Section.REDIS_RESTORED),
        (Level.FAILING, Section.GATE_UNAVAILABLE),
    ]


def test_a_mark_that_is_missing_is_found_by_its_count(places: System, shop: Shop) -> None:
    shop.accept(1, 2)
    shop.issue(1, mark=False)
    with connect_ledger(places.database_url, "test") as ops:
        assert differing(shop.gate, ops, patience_s=0.1) == [shop.coupon_id]
    shop.issue(1)
    with connect_ledger(places.database_url, "test") as ops:
        assert differing(shop.gate, ops, patience_s=0.1) == []


def test_a_mark_that_comes_while_it_is_looked_for_is_no_finding(places: System, shop: Shop) -> None:
    shop.accept(1)
    shop.issue(1, mark=False)
    marking = Thread(target=shop.issue, args=(1,))
    marking.start()
    with connect_ledger(places.database_url, "test") as ops:
        assert differing(shop.gate, ops, patience_s=10) == []
    marking.join()


def test_a_request_of_no_coupon_is_found(places: System, shop: Shop, database: Database) -> None:
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute("INSERT INTO coupon_issue_request VALUES (99, 7, now())")
    [found] = [each for each in check_consistency(places) if each.level is Level.FAILING]
    assert found.section is Section.MISMATCH
    assert "coupon 99, user 7" in found.says


def test_an_old_request_that_is_not_final_is_found(
    places: System, shop: Shop, database: Database
) -> None:
    shop.accept(1)
    shop.forget(1)
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute("UPDATE coupon_issue_request SET requested_at = now() - interval '1 hour'")
    assert [section for _, section in ill(check_final(places))] == [Section.NOT_FINAL]


@pytest.mark.parametrize(
    ("statement", "section"),
    [
        ("DROP PUBLICATION coupon_cdc", Section.PUBLICATION),
        ("ALTER PUBLICATION coupon_cdc SET TABLE cdc_heartbeat", Section.PUBLICATION),
        ("DELETE FROM _yoyo_migration", Section.NOT_PREPARED),
        ("DROP TABLE _yoyo_migration", Section.NOT_PREPARED),
    ],
)
def test_a_database_that_was_changed_by_hand_is_found_and_is_never_down(
    places: System, database: Database, statement: str, section: Section
) -> None:
    before = set(ill(check_database(places)))
    # Every test database lives on a server without the project's slot, and nobody reconciles it.
    assert before == {
        (Level.FAILING, Section.SLOT_LOST),
        (Level.FAILING, Section.RECONCILER_DOWN),
    }
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute(statement.encode())
    changed = set(ill(check_database(places))) - before
    assert {found for _, found in changed} == {section}


def test_a_reconciler_at_work_is_seen_from_addresses(places: System, database: Database) -> None:
    with psycopg.connect(database.url("coupon_reconciler"), autocommit=True) as reconciler:
        reconciler.execute("SELECT pg_advisory_lock(1668249710)")
        assert Section.RECONCILER_DOWN not in {
            section for _, section in ill(check_database(places))
        }

    def is_missed() -> bool:
        return Section.RECONCILER_DOWN in {section for _, section in ill(check_database(places))}

    eventually(is_missed, what="its session has ended, and its lock with it")


@pytest.fixture
def served() -> Iterator[Served]:
    """Starts a server that gives one answer to every question."""
    stack = ExitStack()

    def serve(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        stack.enter_context(serving(server))
        return f"http://127.0.0.1:{server.server_port}"

    with stack:
        yield serve


NOT_READY = b'{"status": "not ready", "redis": "not ready: no", "postgres": "ready"}'


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (HTTPStatus.OK, b"{}", []),
        (HTTPStatus.SERVICE_UNAVAILABLE, NOT_READY, [(Level.FAILING, Section.API_503)]),
        (HTTPStatus.BAD_GATEWAY, b"<html>", [(Level.FAILING, Section.API_503)]),
        (HTTPStatus.NOT_FOUND, b"", [(Level.FAILING, Section.PART_DOWN)]),
    ],
)
def test_what_the_api_answers_means(
    places: System,
    served: Served,
    status: int,
    body: bytes,
    found: list[tuple[Level, Section | None]],
) -> None:
    assert ill(check_api(places._replace(management_url=served(status, body)))) == found


def test_an_api_that_is_away_is_found(places: System) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert ill(check_api(places._replace(management_url=url))) == [
        (Level.FAILING, Section.PART_DOWN)
    ]


@pytest.mark.parametrize(
    ("detail", "section"),
    [
        (b"stopped: 51 change events in a row", Section.CONSUMER_STOPPED),
        (b"LedgerUnavailable: no", Section.CONSUMER_DOWN),
    ],
)
def test_what_a_consumer_says_of_itself_is_passed_on(
    places: System, served: Served, detail: bytes, section: Section
) -> None:
    body = b'{"status": "trouble", "detail": "' + detail + b'"}'
    url = served(HTTPStatus.SERVICE_UNAVAILABLE, body)
    here = places._replace(consumer_urls={"consumer-1": url})
    [found] = check_consumers(here)
    assert (found.level, found.section) == (Level.FAILING, section)
    assert detail.decode() in found.says


@pytest.mark.parametrize(
    ("free_mib", "level"),
    [
        (FULL_MIB - 1, Level.FAILING),
        (NEARLY_FULL_MIB - 1, Level.WARNING),
        (NEARLY_FULL_MIB, Level.OK),
    ],
)
def test_what_is_free_on_the_disk_means(free_mib: int, level: Level) -> None:
    assert disk_finding(Path("/data"), free_mib).level is level


@pytest.mark.parametrize("by_s", [3_600, -3_600])
def test_the_clock_of_the_doctors_machine_does_not_count(
    places: System, shop: Shop, gate: Gate, monkeypatch: pytest.MonkeyPatch, by_s: int
) -> None:
    old_us = gate.now_us() - int(2 * OLD_HEARTBEAT_SECONDS * 1_000_000)
    now_s = time.time

    class Clock(datetime):
        """`datetime.now` is in C: it does not ask `time.time`."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls.fromtimestamp(now_s() + by_s, tz)

    monkeypatch.setattr(time, "time", lambda: now_s() + by_s)
    monkeypatch.setattr(requests, "datetime", Clock)
    shop.accept(1)
    assert ill(check_final(places)) == []
    record_heartbeat(gate.client, old_us)
    assert ill(check_heartbeat(places)) == [(Level.FAILING, Section.STALE)]
    record_heartbeat(gate.client, gate.now_us())
    assert ill(check_heartbeat(places)) == []
