"""What a restore could not bring back is said again by every later run."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from connectors.connect import Connect
from coupons.change_events.request_log import RemovedByRetention, Requests
from coupons.gate import Gate
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import connect_ledger
from operations import restore as module
from operations.restore import Restored, after_restore
from tests.support.databases import Database

BACKUP = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = BACKUP + timedelta(minutes=10)
EARLIER = BACKUP - timedelta(minutes=10)

Run = Callable[[RemovedByRetention], Restored]


class Log:
    """In place of Kafka's: it holds nothing, and retention has removed this."""

    def __init__(self, taken: RemovedByRetention) -> None:
        self.taken = [taken]

    def read(self) -> Iterator[Requests]:
        yield Requests([], 0)


@pytest.fixture
def run(database: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run it against the test's ledger, with a heartbeat of BACKUP as its newest at first."""
    monkeypatch.setattr(module, "read_state", lambda *_: None)
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("INSERT INTO cdc_heartbeat (beat_at) VALUES (%s)", [BACKUP])

    def once(taken: RemovedByRetention) -> Restored:
        monkeypatch.setattr(module, "RequestLog", lambda *_: Log(taken))
        with connect_ledger(database.url("coupon_owner"), "test") as owner:
            return after_restore(
                owner, gate, Connect("http://127.0.0.1:1"), KafkaClient(""), "", lambda _: None
            )

    return once


def test_a_repeated_run_says_the_same_of_what_is_out_of_reach(run: Run) -> None:
    taken = RemovedByRetention(0, 5, LATER)
    for _ in range(3):
        done = run(taken)
        assert (done.reaches, done.out_of_reach, done.is_complete) == (BACKUP, [taken], False)


def test_so_does_one_of_a_ledger_without_a_heartbeat(run: Run, database: Database) -> None:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("DELETE FROM cdc_heartbeat")
    for _ in range(2):
        done = run(RemovedByRetention(0, 5, EARLIER))
        assert (done.reaches, done.is_complete) == (None, False)


def test_after_a_complete_run_the_ledger_has_everything_up_to_its_end(run: Run) -> None:
    assert run(RemovedByRetention(0, 5, EARLIER)).is_complete
    done = run(RemovedByRetention(0, 7, LATER))
    assert done.is_complete
    assert done.reaches is not None
    assert done.reaches > LATER
