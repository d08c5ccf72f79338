"""The queue that ours is compared with: what its worker takes is issued or set aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg
import pytest

from benchmarks.strategies.redis_queue import FAILED, IN_WORK, WAITING, work
from coupons.gate import Gate, open_coupon
from coupons.model import Claim, Coupon, IssueRequest, Status
from coupons.waiting import eventually
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

USERS = range(1, 1_001)
POISONED_USER = 321


@pytest.fixture
def coupon(gate: Gate, make_coupon: MakeCoupon) -> Coupon:
    made = make_coupon(total_quantity=10_000)
    assert open_coupon(gate, made)
    return made


@contextmanager
def _working(gate: Gate, database: Database) -> Iterator[None]:
    stopping = Event()
    arguments = (gate, database.url("coupon_consumer"), stopping)
    worker = Thread(target=work, args=arguments, daemon=True)
    worker.start()
    try:
        yield
    finally:
        stopping.set()
        worker.join(60)


def _push(gate: Gate, coupon: Coupon, to: str = WAITING) -> None:
    admitted = gate.admit([Claim(coupon.coupon_id, user, ()) for user in USERS])
    gate.client.rpush(to, *(f"{a[0]} {a[1]} {a[2]}" for a in admitted))


def _issued(gate: Gate, coupon: Coupon) -> int:
    figures = gate.figures([coupon.coupon_id])[0]
    assert figures is not None
    return figures.issued


def test_a_queue_is_issued_in_batches_and_left_empty(
    gate: Gate, coupon: Coupon, database: Database
) -> None:
    _push(gate, coupon)
    with _working(gate, database):
        eventually(lambda: _issued(gate, coupon) == len(USERS), 60, "all are issued")
        eventually(lambda: not gate.client.exists(WAITING, IN_WORK), 60, "nothing is left")
    assert not gate.client.exists(FAILED)


def test_a_worker_goes_on_with_what_one_before_it_had_taken(
    gate: Gate, coupon: Coupon, database: Database
) -> None:
    _push(gate, coupon, to=IN_WORK)
    with _working(gate, database):
        eventually(lambda: _issued(gate, coupon) == len(USERS), 60, "all are issued")


def test_an_entry_that_postgres_refuses_stops_nobody_else(
    gate: Gate, coupon: Coupon, database: Database
) -> None:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(
            f"ALTER TABLE issued_coupon ADD CONSTRAINT poisoned CHECK (user_id <> {POISONED_USER})"
        )
    _push(gate, coupon)
    with _working(gate, database):
        eventually(lambda: _issued(gate, coupon) == len(USERS) - 1, 60, "the others are issued")
        eventually(lambda: gate.client.llen(FAILED) == 1, 60, "it is set aside")
    [entry] = gate.client.lrange(FAILED, 0, -1)
    assert entry.split()[1] == str(POISONED_USER)
    [request] = gate.read(coupon.coupon_id, [POISONED_USER])
    assert isinstance(request, IssueRequest)
    assert request.status is Status.REQUESTED
