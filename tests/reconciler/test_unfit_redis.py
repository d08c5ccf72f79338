"""The reconciler on a Redis that no coupon can be rebuilt on: it says so once and does the rest."""

import logging
from threading import Event, Thread

import pytest
from pydantic import SecretStr

from coupons.gate import Gate
from coupons.gate.rebuild import rebuild
from coupons.gate.refusals import GateRefusal, GateRefused
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.refusals import LedgerRefusal
from coupons.waiting import eventually
from operations.gate import report_gate
from reconciler import service
from reconciler.routine_pass import run_pass
from reconciler.settings import ReconcilerSettings
from stack.ports import free_ports
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon
from tests.support.refusing import HOW_REDIS_REFUSES, postgres_setting, redis_that


@pytest.mark.parametrize("refusal", HOW_REDIS_REFUSES, ids=lambda each: each.name)
def test_no_rebuild_begins_that_cannot_end(
    shop: Shop, gate: Gate, reconciler: Connection, valkey_url: str, refusal: GateRefusal
) -> None:
    before = shop.ledger().gate_epoch
    with redis_that(refusal, valkey_url), pytest.raises(GateRefused):
        rebuild(gate, reconciler, shop.coupon_id)
    assert shop.ledger().gate_epoch == before
    [figures] = gate.figures([shop.coupon_id])
    assert figures is not None
    # A server that was a replica for a while is not the one that the gate was opened under.
    assert figures.state == ("stale" if refusal is GateRefusal.READ_ONLY else "open")


def test_a_gate_on_a_server_that_refuses_is_not_reported_open(
    shop: Shop, gate: Gate, database: Database, valkey_url: str
) -> None:
    """A gate that is open on a server that refuses is not reported open."""
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        with redis_that(GateRefusal.OUT_OF_MEMORY, valkey_url):
            [report] = report_gate(gate, ops, [shop.ledger()])
        assert (report.unavailable_reason, report.as_json()["gate"]) == ("refused", "refused")
        assert str(report.refused).startswith(GateRefusal.OUT_OF_MEMORY)
        setting = ("default_transaction_read_only", "on")
        with postgres_setting(database.superuser_url, *setting):
            [report] = report_gate(gate, ops, [shop.ledger()])
        assert str(report.refused).startswith(LedgerRefusal.READ_ONLY)
        [report] = report_gate(gate, ops, [shop.ledger()])
        assert report.unavailable_reason is None


def test_open_coupons_are_reconciled_while_another_cannot_be_rebuilt(
    shop: Shop, gate: Gate, reconciler: Connection, valkey_url: str, make_coupon: MakeCoupon
) -> None:
    """The open coupons are looked after while another cannot be rebuilt."""
    missing = make_coupon()
    shop.admit(1)
    with redis_that(GateRefusal.MAY_EVICT, valkey_url):
        with pytest.raises(GateRefused, match="allkeys-lru"):
            list(run_pass(gate, reconciler, pending_after_s=0.0))
        assert shop.has_request(1)
    assert [each.kind for each in run_pass(gate, reconciler, 10.0)] == ["rebuilt_missing"]
    assert gate.figures([missing.coupon_id])[0] is not None


def test_a_redis_that_may_evict_keys_is_logged_once(
    database: Database,
    gate: Gate,
    valkey_url: str,
    make_coupon: MakeCoupon,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A redis that may evict keys is told in one line however long it lasts."""
    make_coupon()
    monkeypatch.setattr(service, "LONGEST_PAUSE_S", 0.01)
    settings = ReconcilerSettings(
        database_url=SecretStr(database.url("coupon_reconciler")),
        redis_url=SecretStr(valkey_url),
        reconciler_port=free_ports(["reconciler"])["reconciler"],
        reconciler_interval_seconds=0.01,
    )
    reconciler = service.Reconciler(settings)
    stop = Event()
    running = Thread(target=reconciler.run, args=(stop,))
    with caplog.at_level(logging.WARNING), redis_that(GateRefusal.MAY_EVICT, valkey_url):
        gate.client.config_resetstat()
        running.start()
        try:
            eventually(lambda: _looks(gate) > 10, 30, "it has tried again and again")
            assert reconciler.failure is not None
            assert "allkeys-lru" in reconciler.failure
        finally:
            stop.set()
            running.join()
    assert len([each for each in caplog.records if "cannot reconcile" in each.message]) == 1


def _looks(gate: Gate) -> int:
    return int(gate.client.info("commandstats").get("cmdstat_info", {}).get("calls", 0))
