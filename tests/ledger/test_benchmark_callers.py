"""What benchmarks do with a ledger: a ceiling of INSERTs, rows in bulk, plans of statements."""

import time

import psycopg
import pytest

from benchmarks.load.bulk import write_rows
from benchmarks.load.callers import LEDGER, Job, run
from benchmarks.load.rounds import odd_users
from benchmarks.measurements.plans import explain_claims
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


def test_claims_look_at_few_pages_whatever_is_in_the_table(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon_id = make_coupon(total_quantity=1_000_000).coupon_id
    owner_url = database.url("coupon_owner")
    with psycopg.connect(owner_url, autocommit=True) as owner:
        write_rows(owner, coupon_id, users=100_000, first=1, last=100_000)
        owner.execute("VACUUM (ANALYZE)")
    for plan in explain_claims(owner_url, coupon_id, odd_users(8), 100_000):
        assert not plan.scanned, plan
        assert plan.blocks < 40, plan
