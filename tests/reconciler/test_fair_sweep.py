"""The sweep is fair to all coupons, quiet about what lasts, goes on after any error, and ends."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import SimpleNamespace

import psycopg
import pytest
import requests
from pydantic import SecretStr

from coupons.ledger.connection import Connection
from coupons.waiting import eventually
from reconciler import expiry_sweep, service, threads
from reconciler.expiry_sweep import ExpirySweep
from reconciler.failing import FailingCoupons
from reconciler.metrics import RECONCILER
from reconciler.settings import ReconcilerSettings
from stack.ports import free_ports
from tests.support.databases import Database
from tests.support.issued import as_owner, make_older, request_and_issue, set_terms, waiters
from tests.support.ledger import MakeCoupon

MakeExpiring = Callable[[int], int]


def no_rest(_seconds: float) -> bool:
    return False


@pytest.fixture
def make_expiring(database: Database, make_coupon: MakeCoupon) -> MakeExpiring:
    """Makes a coupon of which the users 1 to N have one that is expired; returns its id."""

    def make(users: int) -> int:
        coupon_id = make_coupon().coupon_id
        set_terms(database, coupon_id, days=1)
        request_and_issue(database, coupon_id, range(1, users + 1))
        make_older(database, coupon_id, range(1, users + 1))
        return coupon_id

    return make


def expired(database: Database, coupon_id: int) -> int:
    statement = "SELECT count(*) FROM issued_coupon_change WHERE coupon_id = %s"
    return int(as_owner(database, statement, coupon_id)[0][0])


def failing_coupons() -> float | None:
    return RECONCILER.get_sample_value("coupon_reconciler_expiry_failing_coupons")


def test_no_coupon_waits_until_a_larger_one_is_done(
    database: Database, reconciler: Connection, make_expiring: MakeExpiring
) -> None:
    """Not those that are due at the same time, nor one that expires while a large one is walked."""
    large, small = make_expiring(50), make_expiring(3)
    sweep = ExpirySweep("")
    assert sweep.sweep(reconciler, no_rest, 10)
    assert (expired(database, large), expired(database, small)) == (10, 3)
    later = make_expiring(4)
    assert sweep.sweep(reconciler, no_rest, 10)
    assert (expired(database, large), expired(database, later)) == (20, 4)


def test_what_expired_is_logged_once_a_walk(
    reconciler: Connection, make_expiring: MakeExpiring, caplog: pytest.LogCaptureFixture
) -> None:
    coupon_id = make_expiring(25)
    sweep = ExpirySweep("")
    with caplog.at_level(logging.INFO):
        while sweep.sweep(reconciler, no_rest, 10):
            pass
    said = [vars(each) for each in caplog.records if each.message == "issued coupons expired"]
    assert [(each["coupon_id"], each["count"]) for each in said] == [(coupon_id, 25)]


def test_a_lasting_failure_of_a_coupon_is_logged_once_and_measured(
    database: Database,
    reconciler: Connection,
    make_expiring: MakeExpiring,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    coupon_id = make_expiring(3)
    monkeypatch.setattr(expiry_sweep, "CHECK_EVERY_SECONDS", 0.0)
    sweep = ExpirySweep("")
    with out_of_order(database):
        for _ in range(5):
            assert not sweep.sweep(reconciler, no_rest)
    [said] = [vars(each) for each in caplog.records if each.levelname == "WARNING"]
    assert said["coupon_id"] == coupon_id
    assert failing_coupons() == 1
    sweep.sweep(reconciler, no_rest)
    assert (expired(database, coupon_id), failing_coupons()) == (3, 0)


@contextmanager
def out_of_order(database: Database) -> Iterator[None]:
    """Nothing can be written about any issued coupon."""
    table = "ALTER TABLE issued_coupon_change"
    as_owner(database, f"{table} ADD CONSTRAINT of_a_test CHECK (user_id < 0) NOT VALID")
    yield
    as_owner(database, f"{table} DROP CONSTRAINT of_a_test")


def test_a_coupon_that_fails_is_tried_again_with_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """5 s at first, a minute at most; a failure is logged at once, and then once a minute."""
    now = 0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("reconciler.failing.time", clock)
    without_jitter = SimpleNamespace(uniform=lambda _least, most: most)
    monkeypatch.setattr("coupons.backoff.random", without_jitter)
    failing = FailingCoupons(5.0, 60.0)
    tried, logged = [], []
    for now in range(300):
        if failing.may_try(1):
            tried.append(now)
            if failing.failed(1):
                logged.append(now)
    assert tried == [0, 5, 15, 35, 75, 135, 195, 255]
    assert logged == [0, 75, 135, 195, 255]
    assert failing.may_try(2)
    assert (failing.among([1, 2]), failing.among([2])) == (1, 0)
    failing.worked(1)
    assert failing.may_try(1)
    assert 1 not in failing
    assert failing.failed(1)


@pytest.fixture
def settings(
    database: Database, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> ReconcilerSettings:
    monkeypatch.setattr(expiry_sweep, "CHECK_EVERY_SECONDS", 0.02)
    return ReconcilerSettings(
        database_url=SecretStr(database.url("coupon_reconciler")),
        redis_url=SecretStr(valkey_url),
        reconciler_port=free_ports(["reconciler"])["reconciler"],
    )


class Running:
    """A reconciler on a thread. left: its threads that still ran when it had ended."""

    def __init__(self, settings: ReconcilerSettings) -> None:
        self.left: list[Thread] = []
        self._settings = settings
        self._stop = Event()
        self._thread = Thread(target=self._run)

    def _run(self) -> None:
        service.run_reconciler(self._settings, self._stop)
        ours = ("expiry", "comparer", "connector")
        self.left = [each for each in threading.enumerate() if each.name in ours]

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def stop(self) -> None:
        """Let it end, until its probes are gone."""
        self._stop.set()
        eventually(lambda: self.health() is None, what="its probes are gone")

    def health(self) -> tuple[int, str] | None:
        """Status and body of /healthz; None: it does not answer."""
        url = f"http://127.0.0.1:{self._settings.reconciler_port}/healthz"
        try:
            answer = requests.get(url, timeout=5)
        except requests.ConnectionError:
            return None
        return answer.status_code, answer.text


@contextmanager
def held(database: Database, coupon_id: int) -> Iterator[psycopg.Connection]:
    """Somebody else holds an issued coupon. The sweep waits for it, and no pass for the sweep."""
    walk = "INSERT INTO coupon_expiry_walk (coupon_id, seen_due_at) VALUES (%s, now())"
    as_owner(database, walk, coupon_id)
    with psycopg.connect(database.url("coupon_owner")) as holder:
        holder.execute("SELECT FROM issued_coupon WHERE coupon_id = %s FOR UPDATE", [coupon_id])
        yield holder


def test_an_unexpected_error_is_shown_and_the_sweep_goes_on(
    database: Database,
    settings: ReconcilerSettings,
    make_expiring: MakeExpiring,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    coupon_id = make_expiring(3)

    def broken(_: Connection) -> list[int]:
        raise LookupError("of a test")

    with monkeypatch.context() as patch, Running(settings) as running:
        patch.setattr(expiry_sweep, "list_expiry_due", broken)
        eventually(lambda: (running.health() or (0,))[0] == 503, what="it is shown")
        assert "cannot write what has expired" in str(running.health())
        patch.undo()
        patch.setattr(expiry_sweep, "CHECK_EVERY_SECONDS", 0.02)
        eventually(lambda: expired(database, coupon_id) == 3, what="the sweep goes on")
        eventually(lambda: (running.health() or (0,))[0] == 200, what="it is healthy again")
    said = [each for each in caplog.records if "of a test" in each.message]
    assert said
    assert all(each.exc_info for each in said)


def test_a_reconciler_ends_after_its_threads(
    database: Database,
    settings: ReconcilerSettings,
    make_expiring: MakeExpiring,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "END_SECONDS", 60.0)
    with held(database, make_expiring(3)) as holder, Running(settings) as running:
        eventually(lambda: waiters(database), what="the sweep waits")
        running.stop()
        holder.rollback()
    assert running.left == []


def test_a_thread_that_does_not_end_delays_the_end_for_seconds_only(
    database: Database,
    settings: ReconcilerSettings,
    make_expiring: MakeExpiring,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Long enough for all others to end; the sweep gives its wait for a lock up after five.
    monkeypatch.setattr(threads, "END_SECONDS", 1.0)
    with held(database, make_expiring(3)) as holder:
        with Running(settings) as running:
            eventually(lambda: waiters(database), what="the sweep waits")
        assert [each.name for each in running.left] == ["expiry"]
        holder.rollback()
    assert [each.message for each in caplog.records if "has not ended" in each.message] == [
        "the thread expiry has not ended within 1 s"
    ]
    running.left[0].join()
