"""A source that is down or silent is unknown since a time, and the others are shown as before."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event

import psycopg
import pytest

from coupons.waiting import eventually
from monitor.source import Source
from tests.monitor.conftest import NOWHERE, UNKNOWN_WITHIN_SECONDS, Watch, Watched
from tests.support.answers import Answers
from tests.support.databases import Database, Databases
from tests.support.servers import PostgresServer, Server, ValkeyServer

REFRESH_WITHIN_SECONDS = 10.0
"""Twenty intervals of the monitor, for a busy machine; a source that hangs is silent for ever."""


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path)
    server.start()
    yield server
    server.stop()
    if server.home:
        shutil.rmtree(server.home)


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """All processes of a server hold still, as on a machine that hangs."""
    run = server.folder.part(server.part.name).last_run()
    assert run is not None
    process = run.process()
    assert process is not None
    family = [process, *process.children(recursive=True)]
    for each in family:
        os.kill(each.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in family:
            os.kill(each.pid, signal.SIGCONT)


def reads_of(watched: Watched, source: str) -> datetime:
    return watched.state().sources[source].since


def _read_since(watched: Watched, source: str, moment: datetime) -> bool:
    return reads_of(watched, source) > moment


def is_known(watched: Watched, source: str) -> bool:
    return watched.state().sources[source].is_known


def assert_goes_on(watched: Watched, source: str) -> None:
    """It is read again and again, no slower than before."""
    for _ in range(3):
        before = reads_of(watched, source)
        eventually(partial(_read_since, watched, source, before), REFRESH_WITHIN_SECONDS)
        assert is_known(watched, source)


def assert_unknown_since(watched: Watched, source: str, last_read: datetime) -> None:
    told = watched.document()["sources"][source]
    assert told["known"] is False
    assert told["why"]
    assert datetime.fromisoformat(told["unknown_since"]) >= last_read
    age = watched.value("coupon_monitor_source_age_seconds", source)
    assert age is not None
    eventually(lambda: (watched.value("coupon_monitor_source_age_seconds", source) or 0) > age)


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_redis(how: str, watch: Watch, database: Database, own_valkey: ValkeyServer) -> None:
    watched = watch(database.url("coupon_monitor"), own_valkey.url)
    eventually(lambda: watched.value("coupon_gate_memory_bytes"))
    last = reads_of(watched, "redis")

    def shown_as_down() -> None:
        eventually(lambda: not is_known(watched, "redis"), UNKNOWN_WITHIN_SECONDS)
        at = own_valkey.url.removeprefix("redis://").partition("/")[0]
        assert watched.value("coupon_monitor_up", "redis", at) == 0
        assert watched.value("coupon_gate_memory_bytes") is None
        assert watched.document()["gate"] is None
        assert_unknown_since(watched, "redis", last)
        assert_goes_on(watched, "postgres")

    if how == "silent":
        with stopped(own_valkey):
            shown_as_down()
    else:
        own_valkey.kill()
        shown_as_down()
        own_valkey.start()
    eventually(lambda: is_known(watched, "redis"))


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_postgres(how: str, watch: Watch, valkey_url: str, own_postgres: PostgresServer) -> None:
    with closing(Databases(own_postgres.superuser_url)) as databases:
        database = databases.make()
    watched = watch(database.url("coupon_monitor"), valkey_url)
    eventually(lambda: is_known(watched, "postgres"))
    last = reads_of(watched, "postgres")

    def shown_as_down() -> None:
        eventually(lambda: not is_known(watched, "postgres"), UNKNOWN_WITHIN_SECONDS)
        assert watched.value("coupon_stream_slot_lost") is None
        assert watched.document()["ledger"] is None
        assert_unknown_since(watched, "postgres", last)
        assert_goes_on(watched, "redis")

    if how == "silent":
        with stopped(own_postgres):
            shown_as_down()
    else:
        own_postgres.kill()
        shown_as_down()
        own_postgres.start()
    eventually(lambda: is_known(watched, "postgres"), 20)


def test_a_connection_that_is_cut_is_made_again(watched: Watched, database: Database) -> None:
    eventually(lambda: is_known(watched, "postgres"))
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'coupon_monitor'"
        )
    assert_goes_on_later(watched, "postgres")


def assert_goes_on_later(watched: Watched, source: str) -> None:
    now = reads_of(watched, source)
    eventually(lambda: reads_of(watched, source) > now and is_known(watched, source))


def test_kafka_that_is_down_is_unknown_and_delays_nothing(watched: Watched) -> None:
    eventually(lambda: is_known(watched, "redis") and is_known(watched, "postgres"))
    eventually(lambda: watched.value("coupon_monitor_up", "kafka", NOWHERE) == 0)
    for name in ("lag_records", "catch_up_seconds", "events_captured_total"):
        assert watched.value(f"coupon_pipeline_{name}") is None
    assert watched.value("coupon_dead_letters_open") is None
    assert watched.document()["pipeline"] is None
    assert_goes_on(watched, "redis")
    assert_goes_on(watched, "postgres")


def test_processes_are_up_unhealthy_or_down_each_by_its_address(
    watch: Watch, database: Database, valkey_url: str, answers: Callable[..., Answers]
) -> None:
    well, stopped_one = answers(), answers(503, '{"detail": "stopped: too many dead letters"}')
    api = answers(503, '{"status": "not ready", "gate": "unavailable"}')
    watched = watch(
        database.url("coupon_monitor"),
        valkey_url,
        consumer_urls=f"{well.url},{stopped_one.url}, http://{NOWHERE}",
        api_management_url=api.url,
    )
    up = {
        ("consumer", well.address): 1,
        ("consumer", stopped_one.address): 1,
        ("consumer", NOWHERE): 0,
        ("api", api.address): 1,
    }
    eventually(lambda: up.items() <= watched.samples("coupon_monitor_up").items())
    healthy = {
        ("consumer", well.address): 1,
        ("consumer", stopped_one.address): 0,
        ("api", api.address): 0,
    }
    assert watched.samples("coupon_monitor_healthy") == healthy
    assert watched.value("coupon_dead_letter_limit_reached") == 1
    said = {each["address"]: each["says"] for each in watched.document()["processes"]}
    assert said[api.address] == "gate: unavailable"
    stopped_one.status = 200
    eventually(lambda: watched.value("coupon_dead_letter_limit_reached") == 0)


def test_connect_without_a_connector_and_a_connect_that_fails(
    watch: Watch, database: Database, valkey_url: str, answers: Callable[..., Answers]
) -> None:
    task = {"id": 0, "state": "FAILED", "trace": "Caused by: of a test"}
    running = json.dumps({"connector": {"state": "RUNNING"}, "tasks": [task]})
    connect = answers(404, "")
    watched = watch(database.url("coupon_monitor"), valkey_url, connect_url=connect.url)
    eventually(lambda: watched.value("coupon_stream_connector_running") == 0)
    assert watched.document()["connector"]["state"] == "missing"
    connect.body, connect.status = running, 200
    eventually(lambda: watched.value("coupon_stream_tasks", "FAILED") == 1)
    assert watched.document()["connector"]["state"] == "FAILED: of a test"
    connect.stop()
    eventually(lambda: watched.value("coupon_monitor_up", "connect", connect.address) == 0)
    assert watched.value("coupon_stream_connector_running") is None


def test_a_disk_that_cannot_be_read_is_unknown(
    watch: Watch, database: Database, valkey_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    watched = watch(database.url("coupon_monitor"), valkey_url, monitor_disks=f"stack={folder}")
    eventually(lambda: watched.value("coupon_disk_free_bytes", "stack"))
    folder.rmdir()
    eventually(lambda: not is_known(watched, "disks"))
    assert watched.value("coupon_disk_free_bytes", "stack") is None


def test_a_value_that_was_read_is_not_shown_while_its_source_is_silent() -> None:
    values = iter([1])
    source = Source("of a test", lambda: next(values), 1.0, 1.0)
    assert source.reading.why == "it was not read yet"
    source.refresh()
    assert source.reading.value == 1
    source.refresh()
    assert source.reading.value is None
    assert source.last == 1
    assert time.monotonic() >= source.reading.age_s


def test_a_reading_that_hangs_makes_the_value_unknown_without_waiting_for_it() -> None:
    hang, stop = Event(), Event()
    answers = iter([lambda: True, hang.wait])
    source = Source("of a test", lambda: next(answers)(), 0.05, 0.2)
    source.start(stop)
    try:
        eventually(lambda: source.reading.is_known)
        eventually(lambda: not source.reading.is_known)
        assert source.reading.why == "no answer within 0.2 s"
    finally:
        stop.set()
        hang.set()
