"""A ceiling of the INSERTs is one of committed rows."""

import time

import pytest

from benchmarks.load.callers import LEDGER, Job, run
from coupons.ledger.connection import connect_ledger
from coupons.ledger.requests import count_requests
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


def test_every_row_that_a_caller_counts_is_committed(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon_id = make_coupon().coupon_id
    done = run(Job(LEDGER, database.url("coupon_api"), [coupon_id], 20, 1, 2, time.time(), 0.2))
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        counts = count_requests(ops, coupon_id)
    # The first batch is not counted: it connects.
    assert counts is not None
    assert counts.accepted == done.items + 20


def test_rows_of_a_coupon_that_is_not_there_end_the_measurement(database: Database) -> None:
    with pytest.raises(RuntimeError, match="did not accept"):
        run(Job(LEDGER, database.url("coupon_api"), [404], 20, 1, 1, time.time(), 0.1))
