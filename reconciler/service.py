"""The reconciler process: one instance is active, the others stand by."""

import logging
import time
from contextlib import closing
from threading import Event

from coupons.backoff import Backoff
from coupons.errors import LedgerUnavailable, RedisUnavailable
from coupons.gate import connect_gate
from coupons.ledger.connection import Connection, connect_ledger, translated
from coupons.ledger.silent_sessions import end_when_silent
from coupons.process.probes import serve_probes
from coupons.process.tracing import Tracer, start_tracing
from coupons.queries import query
from reconciler.comparer import record_repair, run_comparer
from reconciler.connector_watch import CONNECTORS, watch_connector
from reconciler.erasure_watch import ErasureWatch
from reconciler.expiry_sweep import ExpirySweep
from reconciler.metrics import RECONCILER, RECONCILER_PASSES, RECONCILER_TRACE_SPANS
from reconciler.routine_pass import clear_metrics, run_pass
from reconciler.settings import ReconcilerSettings
from reconciler.standby_watch import StandbyWatch
from reconciler.threads import Threads
from reconciler.watch import Watch

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 5.0
LOG_AGAIN_SECONDS = 60.0
ANSWER_TIMEOUT_SECONDS = 30.0
"""The first rows of a large coupon's rebuild take seconds, more on a busy server."""


class Reconciler:
    """Repeats passes. failure: why the last pass failed; None: it did not. tracer: None: off."""

    def __init__(self, settings: ReconcilerSettings, tracer: Tracer | None = None) -> None:
        self._settings = settings
        self._tracer = tracer
        self._gate = connect_gate(settings.redis_url.get_secret_value())
        self.watch = Watch(settings.reconciler_compare_every_minutes * 60)
        self.failure: str | None = None
        self._logged_at = 0.0
        clear_metrics()

    def run(self, stop: Event) -> None:
        """Work until `stop` is set. While Redis or Postgres is down, retry with growing pauses."""
        pause = self._settings.reconciler_interval_seconds
        backoff = Backoff(2 * pause, LONGEST_PAUSE_S)
        while not stop.is_set():
            try:
                url = self._settings.database_url.get_secret_value()
                with closing(
                    connect_ledger(url, "coupon-reconciler", ANSWER_TIMEOUT_SECONDS)
                ) as connection:
                    end_when_silent(connection, self._settings.reconciler_takeover_seconds)
                    while not stop.is_set():
                        self._pass(connection)
                        backoff.reset()
                        stop.wait(pause)
            except (RedisUnavailable, LedgerUnavailable) as error:
                clear_metrics()
                self._log_failure(str(error))
                stop.wait(backoff.next_seconds())

    def _log_failure(self, failure: str) -> None:
        """Log a new failure at once, and a lasting one once a minute."""
        now = time.monotonic()
        if failure != self.failure or now - self._logged_at >= LOG_AGAIN_SECONDS:
            log.warning("cannot reconcile, will try again: %s", failure)
            self._logged_at = now
        self.failure = failure

    def _pass(self, connection: Connection) -> None:
        if not _is_active(connection):
            clear_metrics()
            self.failure = None
            return
        pending_after_s = self._settings.reconciler_pending_after_seconds
        for repair in run_pass(self._gate, connection, pending_after_s, self.watch, self._tracer):
            record_repair(repair)
        RECONCILER_PASSES.inc()
        self.failure = None


def run_reconciler(settings: ReconcilerSettings, stop: Event) -> None:
    """Serve the probes, watch the connectors, reconcile and sweep until `stop` is set."""
    tracer = start_tracing(settings, "coupon-reconciler", RECONCILER_TRACE_SPANS)
    reconciler = Reconciler(settings, tracer)
    database_url = settings.database_url.get_secret_value()
    expiry_sweep, threads = ExpirySweep(database_url), Threads()
    erasure_watch = ErasureWatch(settings.redis_url.get_secret_value(), database_url)
    standby_watch = StandbyWatch(
        settings.redis_url.get_secret_value(), database_url, settings.reconciler_interval_seconds
    )
    probes = serve_probes(
        settings.reconciler_host,
        settings.reconciler_port,
        lambda: (
            reconciler.failure
            or expiry_sweep.failure
            or erasure_watch.failure
            or standby_watch.failure
            or threads.failure
        ),
        RECONCILER,
    )
    threads.start("expiry", expiry_sweep.run, stop)
    threads.start("erasures", erasure_watch.run, stop)
    threads.start("standby", standby_watch.run, stop)
    threads.start(
        "comparer",
        run_comparer,
        connect_gate(settings.redis_url.get_secret_value()),
        database_url,
        settings.reconciler_pending_after_seconds,
        settings.reconciler_takeover_seconds,
        reconciler.watch,
        stop,
    )
    if settings.connect_url is not None:
        connect_url = settings.connect_url.get_secret_value()
        for name in CONNECTORS:
            threads.start(name, watch_connector, connect_url, name, stop)
    try:
        reconciler.run(stop)
    finally:
        stop.set()
        probes.shutdown()
        threads.join()
        if tracer is not None:
            tracer.stop()


def _is_active(connection: Connection) -> bool:
    """Whether this process holds the lock of the active reconciler, taken if it is free."""
    with translated(connection):
        row = connection.execute(query("become_active_reconciler")).fetchone()
    return row is not None and bool(row[0])
