"""Several reconcilers: one works, and another takes over when it is gone, whatever became of it."""

import signal
from contextlib import ExitStack

import psycopg
import pytest

from coupons.errors import ConfigurationError
from coupons.gate import Gate
from coupons.process.settings import load_settings
from coupons.waiting import eventually
from reconciler.settings import ReconcilerSettings
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.reconcilers import reconciler

TAKEN_OVER_SECONDS = 60
HOLDER = """
SELECT a.client_port FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
 WHERE l.locktype = 'advisory' AND l.objid = 1668249710 AND l.granted AND a.datname = %s
"""


def holder(database: Database) -> int | None:
    """The port of the client that holds the lock; None while nobody does."""
    with psycopg.connect(database.superuser_url) as connection:
        row = connection.execute(HOLDER, [database.name]).fetchone()
    return None if row is None else int(row[0])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_another_reconciler_takes_over(
    shop: Shop, gate: Gate, database: Database, valkey_url: str, how: signal.Signals
) -> None:
    with ExitStack() as running:
        first = running.enter_context(reconciler(database, valkey_url))
        held = eventually(lambda: holder(database), TAKEN_OVER_SECONDS, "one is active")
        running.enter_context(reconciler(database, valkey_url))
        first.send_signal(how)
        eventually(
            lambda: holder(database) not in (None, held), TAKEN_OVER_SECONDS, "the other is active"
        )
        shop.admit(1)
        eventually(
            lambda: shop.has_request(1),
            TAKEN_OVER_SECONDS,
            "what nobody finished is rolled forward",
        )


def test_a_stopped_reconciler_that_goes_on_stands_by(
    shop: Shop, database: Database, valkey_url: str
) -> None:
    with ExitStack() as running:
        first = running.enter_context(reconciler(database, valkey_url))
        held = eventually(lambda: holder(database), TAKEN_OVER_SECONDS, "one is active")
        second = running.enter_context(reconciler(database, valkey_url))
        first.send_signal(signal.SIGSTOP)
        eventually(lambda: holder(database) not in (None, held), TAKEN_OVER_SECONDS)
        first.send_signal(signal.SIGCONT)
        second.kill()
        eventually(
            lambda: holder(database) not in (None, held), TAKEN_OVER_SECONDS, "the first again"
        )
        shop.admit(1)
        eventually(lambda: shop.has_request(1), TAKEN_OVER_SECONDS, "it works")


def test_a_takeover_that_would_come_between_two_passes_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COUPON_DATABASE_URL", "postgresql://x@127.0.0.1/x")
    monkeypatch.setenv("COUPON_REDIS_URL", "redis://127.0.0.1")
    monkeypatch.setenv("COUPON_RECONCILER_INTERVAL_SECONDS", "30")
    with pytest.raises(ConfigurationError, match="COUPON_RECONCILER_TAKEOVER_SECONDS"):
        load_settings(ReconcilerSettings)
