"""A commit that waits for a synchronous standby is streamed and not yet seen: it is not lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from connectors.ledger_history import find_restore, missing_heartbeat
from coupons.gate import Gate
from coupons.gate.heartbeat import record_heartbeat
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import connect_ledger
from coupons.model import to_microseconds
from coupons.waiting import eventually
from operations.doctor import ledger_history
from operations.doctor.findings import Finding, Level, Section
from operations.doctor.ledger_history import StreamedRequest, check_ledger_history
from operations.doctor.system import System
from tests.support.databases import Database
from tests.support.refusing import postgres_setting

WAITING = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def places(database: Database, valkey_url: str) -> System:
    """Postgres and Redis of the test; nothing else."""
    return System(
        None, None, database.url("coupon_ops"), valkey_url, KafkaClient(""), "", "", "group"
    )


@pytest.fixture
def where(database: Database, valkey_url: str) -> dict[str, str]:
    return {"COUPON_DATABASE_URL": database.url("coupon_ops"), "COUPON_REDIS_URL": valkey_url}


@contextmanager
def waiting_beat(database: Database, gate: Gate) -> Iterator[None]:
    """A heartbeat has come through, and its commit waits for a standby that is away."""
    with (
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(database.url("coupon_owner")) as owner,
        postgres_setting(database.superuser_url, "synchronous_standby_names", "nobody"),
    ):
        beats = owner.execute("INSERT INTO cdc_heartbeat DEFAULT VALUES RETURNING beat_at")
        [[beat_at]] = beats.fetchall()
        committing = threads.submit(owner.commit)
        with psycopg.connect(database.superuser_url, autocommit=True) as other:
            eventually(lambda: other.execute(WAITING).fetchone() is not None, what="it waits")
        record_heartbeat(gate.client, to_microseconds(beat_at))
        yield
    committing.result(20)


def of_history(places: System) -> Finding:
    [found] = check_ledger_history(places)
    return found


def test_a_heartbeat_that_waits_for_a_standby_is_no_older_ledger(
    database: Database, gate: Gate, places: System, where: dict[str, str]
) -> None:
    """A heartbeat that waits for a standby is not a ledger that went back."""
    with waiting_beat(database, gate):
        found = of_history(places)
        assert (found.level, found.section) == (Level.UNKNOWN, Section.STANDBY_DOWN)
        assert find_restore(where, servers_only=False) == []
    with connect_ledger(database.url("coupon_ops"), "test") as connection:
        assert missing_heartbeat(gate, connection) is None


def test_a_request_that_waits_for_a_standby_is_no_older_ledger(
    database: Database, gate: Gate, places: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no Kafka here: what it holds is put in its place."""

    def streamed(*_: object) -> set[StreamedRequest]:
        return {(1, 1, 1)}

    monkeypatch.setattr(ledger_history, "_streamed_requests", streamed)
    with waiting_beat(database, gate):
        gate.client.flushall()
        found = of_history(places)
        assert (found.level, found.section) == (Level.UNKNOWN, Section.STANDBY_DOWN)
    assert of_history(places).section is Section.LEDGER_RESTORED


def test_a_ledger_that_went_back_is_named_also_while_its_standby_is_away(
    database: Database, gate: Gate, places: System
) -> None:
    """After a failover: nothing waits, so that what is missing is lost."""
    record_heartbeat(gate.client, to_microseconds(datetime.now(UTC) + timedelta(hours=1)))
    with postgres_setting(database.superuser_url, "synchronous_standby_names", "nobody"):
        found = of_history(places)
    assert (found.level, found.section) == (Level.FAILING, Section.LEDGER_RESTORED)
