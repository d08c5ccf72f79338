"""What the monitor costs does not grow with requests, and hardly with coupons."""

import psycopg
import pytest

from cli.top_frame import Frame
from coupons.gate import open_coupon
from coupons.gate.gate import Gate
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import list_coupons
from coupons.waiting import eventually
from monitor.ledger import MOST_COUPONS, LedgerReader
from monitor.state import MOST_SHOWN
from monitor.stream import RATE_SECONDS, Rates
from tests.monitor.conftest import Watch
from tests.support.databases import Database

MANY = 10_000
COUPONS = """
INSERT INTO coupon (coupon_id, name, total_quantity, issue_starts_at, state)
SELECT n, 'of a test', 10, now() - n * interval '1 minute',
       CASE WHEN n %% 2 = 0 THEN 'open' ELSE %s END
  FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def many(database: Database) -> None:
    """Half of them are closed."""
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(COUPONS, ["closed", MANY])


def test_of_many_coupons_those_that_started_last_are_shown_and_the_rest_is_counted(
    many: None, watch: Watch, database: Database, valkey_url: str, gate: Gate
) -> None:
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        for coupon in list_coupons(ops)[: 2 * MOST_COUPONS + 20]:
            open_coupon(gate, coupon)
    patient = {"monitor_interval_seconds": 5.0, "monitor_timeout_seconds": 5.0}
    watched = watch(database.url("coupon_monitor"), valkey_url, **patient)
    loaded = MOST_COUPONS
    eventually(lambda: watched.value("coupon_gate_coupons", "loaded") == loaded, 30)
    assert watched.value("coupon_gate_coupons", "unread") == MANY / 2 - MOST_COUPONS
    shown = {int(labels[0]) for labels in watched.samples("coupon_live_left")}
    assert shown == set(range(2, 2 * MOST_SHOWN + 1, 2))
    document = watched.document()
    assert len(document["coupons"]) == MOST_SHOWN
    assert document["coupons_live"] == MANY / 2
    lines = [line.plain for line in Frame(document, {}, 2.0, "coupon doctor").lines(80)]
    assert lines[-1] == f"… {MANY // 2 - MOST_SHOWN:,} more coupons"


def test_a_refresh_of_the_ledger_reads_no_requests(many: None, database: Database) -> None:
    reader = LedgerReader(database.url("coupon_monitor"), lambda: [2])
    assert len(reader.read().coupons) == MOST_COUPONS
    with psycopg.connect(database.superuser_url, dbname=database.name, autocommit=True) as su:
        read = (
            "SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_user_tables"
            " WHERE relname IN ('coupon_issue_request', 'issued_coupon', 'issue_rejection')"
        )
        scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'coupon'"

        def one(statement: str) -> int:
            row = su.execute(statement).fetchone()
            return int(row[0]) if row else 0

        before, scanned = one(read), one(scans)
        for _ in range(5):
            reader.read()
        eventually(lambda: one(scans) > scanned, 20, "Postgres has counted the scans")
        assert one(read) == before


def test_under_a_steady_load_a_lag_of_less_than_a_second_is_caught_up_with() -> None:
    rates = Rates()
    rates.note(0.0, 100, 99, 1)
    assert rates.note(10.0, 400, 397, 3).catch_up_s == pytest.approx(3 / 29.8)
    assert rates.note(12.0, 500, 397, 103).catch_up_s is None


def test_rates_and_the_time_to_catch_up() -> None:
    rates = Rates()
    first = rates.note(0.0, 100, 50, 50)
    assert (first.captured_per_s, first.catch_up_s) == (None, None)
    shrinking = rates.note(2.0, 120, 90, 30)
    assert (shrinking.captured_per_s, shrinking.consumed_per_s) == (10, 20)
    assert shrinking.catch_up_s == 3
    growing = rates.note(2.0 + RATE_SECONDS, 1_120, 100, 1_020)
    assert growing.catch_up_s is None
    assert rates.note(3.0 + RATE_SECONDS, 1_120, 1_120, 0).catch_up_s == 0
    made_again = rates.note(4.0 + RATE_SECONDS, 5, 0, 5)
    assert (made_again.captured_per_s, made_again.catch_up_s) == (None, None)
