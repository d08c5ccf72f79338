"""The sweep: what has expired becomes a change, once; nothing is read when nothing is due."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.owned_coupons import (
    expire_issued_coupons,
    list_changes,
    list_expiry_due,
)
from coupons.model import IssuedChange
from coupons.waiting import eventually
from reconciler import expiry_sweep
from reconciler.expiry_sweep import PAGE_SIZE, ExpirySweep
from reconciler.service import run_reconciler
from reconciler.settings import ReconcilerSettings
from stack.ports import free_ports
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.issued import as_owner, make_older, request_and_issue, set_terms, waiters
from tests.support.ledger import MakeCoupon

USERS = range(1, 21)


def no_rest(_seconds: float) -> bool:
    return False


def sweep(
    connection: Connection, rest: Callable[[float], bool], page_size: int = PAGE_SIZE
) -> None:
    """Until no coupon has more pages."""
    expiry_sweep = ExpirySweep("")
    while expiry_sweep.sweep(connection, rest, page_size):
        pass


@pytest.fixture
def coupon_id(database: Database, make_coupon: MakeCoupon) -> int:
    """Of a coupon that is valid for a day; all of USERS have one, and nothing has expired."""
    made = make_coupon().coupon_id
    set_terms(database, made, days=1)
    request_and_issue(database, made, USERS)
    return made


def expired(database: Database, coupon_id: int) -> list[int]:
    """The user of each change to expired, in order; repeated: it was written twice."""
    statement = (
        "SELECT user_id FROM issued_coupon_change"
        " WHERE coupon_id = %s AND to_state = 'expired' AND changed_by = 'expiry' ORDER BY user_id"
    )
    return [row[0] for row in as_owner(database, statement, coupon_id)]


def expire_at(database: Database, coupon_id: int, user_ids: range, moment: datetime) -> None:
    statement = "UPDATE issued_coupon SET issued_at = %s WHERE coupon_id = %s AND user_id = ANY(%s)"
    as_owner(database, statement, moment - timedelta(days=1), coupon_id, list(user_ids))


@pytest.mark.parametrize("page_size", [1, 7, 10, 19, 20, 21, 1000])
def test_all_that_expired_become_changes_whatever_the_page(
    database: Database, reconciler: Connection, coupon_id: int, page_size: int
) -> None:
    make_older(database, coupon_id, USERS)
    sweep(reconciler, no_rest, page_size)
    assert expired(database, coupon_id) == list(USERS)
    [change] = list_changes(reconciler, 1, coupon_id, 10)
    assert (change.number, change.from_state, change.to_state) == (1, "active", "expired")
    assert list_expiry_due(reconciler) == []


def test_only_those_whose_time_is_over_expire(
    database: Database, reconciler: Connection, coupon_id: int
) -> None:
    make_older(database, coupon_id, range(5, 12))
    sweep(reconciler, no_rest, 3)
    assert expired(database, coupon_id) == list(range(5, 12))


def test_another_process_goes_on_where_one_stopped(
    database: Database, reconciler: Connection, coupon_id: int
) -> None:
    make_older(database, coupon_id, USERS)
    with connect_ledger(database.url("coupon_reconciler"), "test") as first:
        for _ in range(2):
            assert not expire_issued_coupons(first, coupon_id, 6).is_done
    assert expired(database, coupon_id) == list(range(1, 13))
    rest = expire_issued_coupons(reconciler, coupon_id, 1000)
    assert (rest.read_rows, rest.expired_rows, rest.is_done) == (8, 8, True)
    assert expired(database, coupon_id) == list(USERS)


def test_what_becomes_valid_for_longer_meanwhile_is_not_expired(
    database: Database, reconciler: Connection, coupon_id: int
) -> None:
    make_older(database, coupon_id, USERS)
    expire_issued_coupons(reconciler, coupon_id, 10)
    set_terms(database, coupon_id, days=30)
    sweep(reconciler, no_rest)
    assert expired(database, coupon_id) == list(range(1, 11))
    assert list_expiry_due(reconciler) == []


def test_a_page_that_waited_for_a_lock_sees_what_was_changed_then(
    database: Database, reconciler: Connection, coupon_id: int
) -> None:
    """Validity grows while the page waits for an issued coupon: nothing of the page expires."""
    make_older(database, coupon_id, USERS)
    with (
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(database.url("coupon_owner")) as holder,
    ):
        holder.execute("SELECT FROM issued_coupon WHERE user_id = 20 FOR UPDATE")
        page = threads.submit(expire_issued_coupons, reconciler, coupon_id, 1000)
        eventually(lambda: waiters(database), what="the page waits")
        set_terms(database, coupon_id, days=30)
        holder.rollback()
        assert page.result() == (20, 0, True)
    eventually(lambda: list_expiry_due(reconciler), what="what changed is read again")
    sweep(reconciler, no_rest)
    assert expired(database, coupon_id) == []
    assert list_expiry_due(reconciler) == []


def test_nothing_is_read_before_something_can_have_expired(
    database: Database, reconciler: Connection, coupon_id: int
) -> None:
    """Not before the first, and not between that one and the next."""
    assert list_expiry_due(reconciler) == []
    make_older(database, coupon_id, range(1, 2))
    assert list_expiry_due(reconciler) == [coupon_id]
    sweep(reconciler, no_rest)
    assert list_expiry_due(reconciler) == []
    assert expire_issued_coupons(reconciler, coupon_id, 10) == (0, 0, True)
    soon = datetime.now(UTC) + timedelta(hours=1)
    expire_at(database, coupon_id, range(2, 4), soon)
    walk_again(database, coupon_id)
    sweep(reconciler, no_rest)
    assert expired(database, coupon_id) == [1]
    assert next_walk(database, coupon_id) == soon
    assert list_expiry_due(reconciler) == []
    expire_at(database, coupon_id, range(2, 4), datetime.now(UTC))
    walk_again(database, coupon_id)
    assert list_expiry_due(reconciler) == [coupon_id]
    sweep(reconciler, no_rest)
    assert expired(database, coupon_id) == [1, 2, 3]


def next_walk(database: Database, coupon_id: int) -> datetime:
    """When the next of those that the last walk saw expires."""
    statement = "SELECT seen_due_at FROM coupon_expiry_walk WHERE coupon_id = %s"
    [[moment]] = as_owner(database, statement, coupon_id)
    assert isinstance(moment, datetime)
    return moment


def walk_again(database: Database, coupon_id: int) -> None:
    """The tests change when coupons were issued, which a walk takes as fixed."""
    statement = "UPDATE coupon_expiry_walk SET seen_due_at = now() WHERE coupon_id = %s"
    as_owner(database, statement, coupon_id)


def test_coupons_without_terms_are_not_walked(
    database: Database, reconciler: Connection, make_coupon: MakeCoupon
) -> None:
    without = make_coupon().coupon_id
    request_and_issue(database, without, USERS)
    make_older(database, without, USERS, days=400)
    sweep(reconciler, no_rest)
    assert as_owner(database, "SELECT FROM coupon_expiry_walk") == []


def test_what_is_issued_after_a_walk_is_found_by_the_next(
    database: Database, reconciler: Connection, make_coupon: MakeCoupon
) -> None:
    """Also where the walk has passed already: the coupon counts what is issued."""
    coupon_id = make_coupon().coupon_id
    set_terms(database, coupon_id, until=datetime.now(UTC) - timedelta(hours=1))
    request_and_issue(database, coupon_id, range(10, 30))
    expire_issued_coupons(reconciler, coupon_id, 15)
    request_and_issue(database, coupon_id, range(1, 4))
    sweep(reconciler, no_rest)
    assert expired(database, coupon_id) == list(range(10, 30))
    eventually(lambda: list_expiry_due(reconciler), what="there is more")
    sweep(reconciler, no_rest)
    assert expired(database, coupon_id) == [1, 2, 3, *range(10, 30)]
    as_owner(database, "UPDATE coupon_expiry_walk SET unseen_due_at = now()")
    assert list_expiry_due(reconciler) == []


def test_used_ones_stay_used_and_expire_when_they_were_released_in_time(
    database: Database, reconciler: Connection, coupon_id: int
) -> None:
    """1 stays used. 2 is released before its time is over, after a walk that saw it used."""
    with connect_ledger(database.url("coupon_api"), "test") as api:

        def change(user_id: int, what: IssuedChange) -> None:
            change_owned_coupon(api, user_id, coupon_id, what, "a test", order_reference="A")

        change(1, IssuedChange.USE)
        change(2, IssuedChange.USE)
        make_older(database, coupon_id, range(3, 4))
        soon = datetime.now(UTC) + timedelta(hours=1)
        expire_at(database, coupon_id, range(1, 3), soon)
        sweep(reconciler, no_rest)
        assert next_walk(database, coupon_id) == soon
        change(2, IssuedChange.CANCEL_USE)
        assert expired(database, coupon_id) == [3]
    expire_at(database, coupon_id, range(1, 3), datetime.now(UTC))
    walk_again(database, coupon_id)
    sweep(reconciler, no_rest)
    assert expired(database, coupon_id) == [2, 3]
    states = [change.to_state for change in list_changes(reconciler, 2, coupon_id, 10)]
    assert states == ["used", "active", "expired"]


def test_two_sweeps_at_once_write_each_change_once(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupons = [make_coupon(total_quantity=1000).coupon_id for _ in range(3)]
    for coupon_id in coupons:
        set_terms(database, coupon_id, days=1)
        request_and_issue(database, coupon_id, range(1, 201))
        make_older(database, coupon_id, range(1, 201))

    def sweep_all(_: int) -> None:
        with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
            while list_expiry_due(connection):
                sweep(connection, no_rest, 3)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(sweep_all, range(2)))
    for coupon_id in coupons:
        assert expired(database, coupon_id) == list(range(1, 201))


def test_a_coupon_that_cannot_be_swept_stops_no_other(
    database: Database, reconciler: Connection, make_coupon: MakeCoupon, coupon_id: int, caplog: Any
) -> None:
    other = make_coupon().coupon_id
    set_terms(database, other, days=1)
    request_and_issue(database, other, USERS)
    for each in (coupon_id, other):
        make_older(database, each, USERS)
    bad = f"CHECK (coupon_id <> {min(coupon_id, other)})"
    as_owner(database, f"ALTER TABLE issued_coupon_change ADD CONSTRAINT of_a_test {bad}")
    sweep(reconciler, no_rest)
    assert expired(database, max(coupon_id, other)) == list(USERS)
    [said] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert said.coupon_id == min(coupon_id, other)
    assert "of_a_test" in said.message


def test_a_sweep_ends_soon_after_it_is_stopped(
    database: Database, reconciler: Connection, coupon_id: int
) -> None:
    make_older(database, coupon_id, USERS)
    sweep(reconciler, lambda _seconds: True, 5)
    assert expired(database, coupon_id) == list(range(1, 6))


@contextmanager
def running(settings: ReconcilerSettings) -> Iterator[None]:
    stop = Event()
    thread = Thread(target=run_reconciler, args=(settings, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_the_reconciler_sweeps_also_while_redis_is_down(
    database: Database, coupon_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry_sweep, "CHECK_EVERY_SECONDS", 0.05)
    ports = free_ports(["reconciler", "redis"])
    settings = ReconcilerSettings(
        database_url=SecretStr(database.url("coupon_reconciler")),
        redis_url=SecretStr(f"redis://127.0.0.1:{ports['redis']}/0"),
        reconciler_port=ports["reconciler"],
    )
    make_older(database, coupon_id, USERS)
    with running(settings):
        eventually(lambda: expired(database, coupon_id) == list(USERS), what="they expire")
