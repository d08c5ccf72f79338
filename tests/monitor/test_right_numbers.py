"""The monitor shows what gate and ledger hold."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from connectors.events import EVENTS_SLOT
from connectors.slot import drop_slot, make_slot, read_slot
from coupons.codes import CodeKind
from coupons.gate import Gate
from coupons.gate.heartbeat import record_heartbeat
from coupons.ledger.codes import choose_codes
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import change_coupon, list_live
from coupons.model import CouponState
from coupons.waiting import eventually
from monitor.gate import GateReader
from monitor.ledger import LedgerState
from tests.monitor.conftest import Watch, Watched
from tests.reconciler.conftest import Shop
from tests.support.answers import Answers
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=20))


def test_sums_are_those_of_gate_and_ledger(shop: Shop, watched: Watched) -> None:
    shop.accept(1, 2, 3, 4)
    shop.issue(1, 2, 3)
    gate = {("pending",): 1, ("issued",): 3, ("rejected",): 0}
    eventually(lambda: watched.samples("coupon_gate_requests") == gate)
    sums = {("accepted",): 4, ("issued",): 3, ("rejected",): 0, ("in_flight",): 1}
    eventually(lambda: watched.samples("coupon_ledger_requests") == sums)
    assert watched.value("coupon_gate_coupons", "loaded") == 1
    coupon = str(shop.coupon_id)
    shown = [watched.value(f"coupon_live_{name}", coupon) for name in ("stock", "left", "issued")]
    assert shown == [20, 16, 3]
    assert watched.value("coupon_live_pending", coupon) == 1
    [described] = watched.document()["coupons"]
    assert described["coupon_id"] == coupon
    assert (described["stock"], described["left"], described["issued"]) == (20, 16, 3)
    assert described["rehearsal"] is False


def test_the_age_of_the_oldest_request_grows_until_it_is_final(
    shop: Shop, watched: Watched
) -> None:
    eventually(lambda: watched.value("coupon_pipeline_lag_seconds") == 0)
    shop.accept(1)
    eventually(lambda: (watched.value("coupon_pipeline_lag_seconds") or 0) > 1)
    shop.issue(1)
    eventually(lambda: watched.value("coupon_pipeline_lag_seconds") == 0)


def test_a_request_of_a_coupon_that_has_been_closed_is_still_waited_for(
    shop: Shop, watched: Watched, database: Database
) -> None:
    shop.accept(1)
    eventually(lambda: watched.value("coupon_gate_requests", "pending") == 1)
    with connect_ledger(database.url("coupon_api"), "test") as api:
        change_coupon(api, shop.coupon_id, state=CouponState.CLOSED)
    eventually(lambda: watched.value("coupon_gate_coupons", "ended") == 1)
    assert watched.value("coupon_gate_requests", "pending") == 1
    assert watched.samples("coupon_live_stock") == {}
    shop.issue(1)
    eventually(lambda: watched.value("coupon_gate_coupons", "ended") == 0)


def test_a_coupon_that_the_gate_lacks_is_unavailable_and_its_books_are_unknown(
    shop: Shop, watched: Watched, gate: Gate
) -> None:
    shop.accept(1)
    eventually(lambda: watched.value("coupon_ledger_requests", "in_flight") == 1)
    gate.client.flushall()
    eventually(lambda: watched.value("coupon_gate_coupons", "unavailable") == 1)
    assert watched.value("coupon_ledger_requests", "in_flight") is None
    assert watched.value("coupon_ledger_requests", "accepted") is None
    assert watched.value("coupon_pipeline_lag_seconds") is None


def test_drift_is_zero_while_marks_follow_and_counts_what_does_not(
    shop: Shop, watched: Watched
) -> None:
    shop.accept(1, 2)
    shop.issue(1)
    eventually(lambda: watched.value("coupon_ledger_requests", "issued") == 1)
    eventually(lambda: watched.value("coupon_ledger_drift_requests") == 0)
    shop.issue(2, mark=False)
    eventually(lambda: watched.value("coupon_ledger_drift_requests") == 1)
    shop.issue(2)
    eventually(lambda: watched.value("coupon_ledger_drift_requests") == 0)


def test_a_user_that_the_gate_lost_is_drift(shop: Shop, watched: Watched) -> None:
    shop.accept(1, 2)
    eventually(lambda: watched.value("coupon_ledger_drift_requests") == 0)
    shop.forget(2)
    eventually(lambda: watched.value("coupon_ledger_drift_requests") == 1)


def test_a_ledger_that_was_read_before_the_figures_is_not_compared_with_them(
    shop: Shop, gate: Gate, valkey_url: str, database: Database
) -> None:
    """The gate went on since that reading: what was issued meanwhile is no difference."""
    with connect_ledger(database.url("coupon_monitor"), "test") as connection:
        slot = read_slot(connection)

        def read() -> LedgerState:
            began_s = time.monotonic()
            coupons, live = list_live(connection, (), 10)
            return LedgerState(began_s, tuple(coupons), live, slot, slot, 0)

        shop.accept(1)
        first, second = read(), read()
        shop.issue(1)
        read_last = [first]
        reader = GateReader(valkey_url, lambda: read_last[-1], lambda: True)
        for ledger in (first, second, read()):
            read_last.append(ledger)
            assert reader.read().drift == 0


def test_drift_is_unknown_while_the_ledger_is_unknown(shop: Shop, valkey_url: str) -> None:
    reader = GateReader(valkey_url, lambda: None, lambda: False)
    assert reader.read().drift is None


def test_counts_of_a_gate_that_is_not_open_are_not_shown(
    shop: Shop, watched: Watched, gate: Gate
) -> None:
    """As after a restart of Redis, until the gate is rebuilt."""
    shop.accept(1)
    eventually(lambda: watched.value("coupon_gate_requests", "pending") == 1)
    gate.client.hset(f"coupon:{{{shop.coupon_id}}}", "opened_under", "another one")
    eventually(lambda: watched.value("coupon_gate_coupons", "unavailable") == 1)
    assert watched.value("coupon_gate_requests", "pending") == 0
    assert watched.value("coupon_pipeline_lag_seconds") is None


def test_the_slot_is_shown(watched: Watched, database: Database) -> None:
    eventually(lambda: watched.value("coupon_stream_slot_lost") == 1, what="there is none")
    with psycopg.connect(database.url("coupon_cdc"), autocommit=True) as cdc:
        cdc.execute("SELECT pg_create_logical_replication_slot('coupon_cdc', 'pgoutput')")
        try:
            eventually(lambda: watched.value("coupon_stream_slot_lost") == 0)
            assert watched.value("coupon_stream_slot_active") == 0
            assert watched.value("coupon_stream_slot_kept_bytes") is not None
            assert watched.document()["slot"]["lost"] is False
        finally:
            cdc.execute("SELECT pg_drop_replication_slot('coupon_cdc')")


def test_the_slot_of_the_events_is_shown_while_they_are_on(
    watched: Watched, database: Database
) -> None:
    """And the one that a connector makes after a loss (without failover) counts as lost."""
    names = [f"coupon_events_slot_{name}" for name in ("active", "lost", "kept_bytes")]
    eventually(lambda: watched.value("coupon_stream_slot_lost") == 1, what="Postgres was read")
    assert [watched.value(name) for name in names] == [None, None, None]
    with connect_ledger(database.url("coupon_cdc"), "test") as cdc:
        make_slot(cdc, EVENTS_SLOT)
        try:
            eventually(lambda: watched.value("coupon_events_slot_lost") == 0)
            assert watched.value("coupon_events_slot_active") == 0
            assert watched.value("coupon_events_slot_kept_bytes") is not None
            drop_slot(cdc, EVENTS_SLOT)
            cdc.execute("SELECT pg_create_logical_replication_slot('coupon_events', 'pgoutput')")
            eventually(lambda: watched.value("coupon_events_slot_lost") == 1)
        finally:
            drop_slot(cdc, EVENTS_SLOT)
        eventually(lambda: [watched.value(name) for name in names] == [None, None, None])


def test_a_pool_that_is_short_is_counted_until_its_coupon_is_over(
    watched: Watched, database: Database, make_coupon: MakeCoupon
) -> None:
    eventually(lambda: watched.value("coupon_short_pools") == 0, what="Postgres was read")
    with connect_ledger(database.url("coupon_api"), "test") as api:
        coupon_id = make_coupon(total_quantity=3).coupon_id
        choose_codes(api, coupon_id, CodeKind.POOL, "a test")
        eventually(lambda: watched.value("coupon_short_pools") == 1)
        api.execute("UPDATE coupon SET state = 'closed' WHERE coupon_id = %s", [coupon_id])
        eventually(lambda: watched.value("coupon_short_pools") == 0)


def test_the_connector_of_the_events_is_shown_where_there_is_one(
    watch: Watch, database: Database, valkey_url: str, answers: Callable[..., Answers]
) -> None:
    """A Connect that has none, and one in which it is stopped."""
    urls = database.url("coupon_monitor"), valkey_url
    name = "coupon_events_connector_running"
    without = watch(*urls, connect_url=answers(404, "{}").url)
    eventually(lambda: without.value("coupon_stream_connector_running") == 0)
    assert without.value(name) is None
    stopped = json.dumps({"connector": {"state": "STOPPED"}, "tasks": []})
    held = watch(*urls, connect_url=answers(200, stopped).url)
    eventually(lambda: held.value(name) == 0)


def test_memory_and_heartbeat_come_from_redis(watched: Watched, gate: Gate) -> None:
    eventually(lambda: watched.value("coupon_gate_memory_bytes"))
    assert watched.value("coupon_gate_memory_limit_bytes") is None
    assert watched.value("coupon_stream_heartbeat_age_seconds") is None
    written = datetime.now(UTC) - timedelta(seconds=30)
    record_heartbeat(gate.client, int(written.timestamp() * 1e6))
    eventually(lambda: (watched.value("coupon_stream_heartbeat_age_seconds") or 0) > 29)
    gate.client.config_set("maxmemory", 1_000_000_000)
    try:
        eventually(lambda: watched.value("coupon_gate_memory_limit_bytes") == 1_000_000_000)
    finally:
        gate.client.config_set("maxmemory", 0)
