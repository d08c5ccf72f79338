"""One request in a batch never costs the others theirs, and Redis never runs ahead of Postgres."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from cdc_consumer.handling import BatchHandler
from coupons.errors import LedgerUnavailable
from coupons.gate import Gate, open_coupon
from coupons.model import Admission, Claim, Coupon, Status
from stack.disposable import DisposableStack
from tests.losses.commits import held_commits
from tests.support.databases import Database
from tests.support.events import KeptLetters, request_records
from tests.support.handling import issued_users, statuses
from tests.support.ledger import MakeCoupon

BATCH = range(1, 501)


@pytest.fixture
def big(gate: Gate, make_coupon: MakeCoupon) -> Coupon:
    """A coupon with a place for everybody, whom the gate has admitted."""
    coupon = make_coupon(total_quantity=1_000)
    assert open_coupon(gate, coupon)
    decisions = gate.admit([Claim(coupon.coupon_id, user) for user in BATCH])
    assert all(isinstance(decision, Admission) for decision in decisions)
    return coupon


def test_one_record_redelivered_costs_the_other_499_nothing(
    handler: BatchHandler, letters: KeptLetters, database: Database, gate: Gate, big: Coupon
) -> None:
    records = request_records(big.coupon_id, BATCH)
    handler.handle(records[:1])
    handler.handle(records)
    assert issued_users(database) == list(BATCH)
    assert statuses(gate, big, list(BATCH)) == [Status.ISSUED] * len(BATCH)
    assert letters.letters == []


def test_a_duplicate_in_a_batch_does_not_roll_back_the_rest(
    handler: BatchHandler, letters: KeptLetters, database: Database, gate: Gate, big: Coupon
) -> None:
    records = request_records(big.coupon_id, BATCH)
    handler.handle([*records, records[0], records[-1], records[250]])
    assert issued_users(database) == list(BATCH)
    assert statuses(gate, big, list(BATCH)) == [Status.ISSUED] * len(BATCH)
    assert letters.letters == []


def test_redis_is_not_told_issued_while_the_commit_is_held_up(
    handler: BatchHandler, database: Database, gate: Gate, big: Coupon
) -> None:
    with held_commits(database, "issued_coupon") as held, ThreadPoolExecutor(1) as threads:
        handling = threads.submit(handler.handle, request_records(big.coupon_id, BATCH))
        held.await_one()
        assert statuses(gate, big, list(BATCH)) == [Status.REQUESTED] * len(BATCH)
        assert issued_users(database) == []
        assert not handling.done()
        held.let_go()
        handling.result()
    assert issued_users(database) == list(BATCH)
    assert statuses(gate, big, list(BATCH)) == [Status.ISSUED] * len(BATCH)


def test_redis_never_says_issued_when_the_commit_dies(
    handler: BatchHandler, database: Database, gate: Gate, big: Coupon
) -> None:
    """Redis is not told issued when the commit dies and the batch is done again."""
    records = request_records(big.coupon_id, BATCH)
    with held_commits(database, "issued_coupon") as held, ThreadPoolExecutor(1) as threads:
        handling = threads.submit(handler.handle, records)
        held.terminate(held.await_one())
        with pytest.raises(LedgerUnavailable):
            handling.result()
    assert statuses(gate, big, list(BATCH)) == [Status.REQUESTED] * len(BATCH)
    assert issued_users(database) == []
    handler.handle(records)
    assert issued_users(database) == list(BATCH)
    assert statuses(gate, big, list(BATCH)) == [Status.ISSUED] * len(BATCH)


def test_postgres_waits_for_its_disk_before_it_confirms_a_commit(
    stack: DisposableStack,
) -> None:
    """Postgres waits for its disk before it says that something is committed."""
    for role in ("api", "consumer", "reconciler"):
        with psycopg.connect(stack.database_url(role)) as connection:
            for setting in ("fsync", "synchronous_commit"):
                assert connection.execute(f"SHOW {setting}".encode()).fetchone() == ("on",), role
