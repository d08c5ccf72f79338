"""Kafka keeps the records of a rehearsal after its purge; handled again, they do nothing."""

import psycopg

from cdc_consumer.handling import BatchHandler
from coupons.errors import UnknownCoupon
from coupons.ids import FIRST_REHEARSAL_ID
from coupons.ledger.connection import connect_ledger
from coupons.ledger.rehearsals import begin_rehearsal, purge_in_ledger
from coupons.model import Coupon
from tests.support.databases import Database
from tests.support.events import KeptLetters, request_records
from tests.support.handling import issued_users


def test_old_records_of_a_purged_rehearsal_are_passed_over(
    handler: BatchHandler, database: Database, coupon: Coupon, letters: KeptLetters
) -> None:
    """However many: no dead letter, no outage, and what is in the batch beside them is issued."""
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        purged = begin_rehearsal(ops, "of a test", 1, "a test").coupon_id
        with psycopg.connect(database.url("coupon_owner")) as owner:
            owner.execute("UPDATE coupon SET state = 'closed' WHERE coupon_id = %s", [purged])
        purge_in_ledger(ops, purged, "a test", None)
    old = request_records(purged, range(FIRST_REHEARSAL_ID, FIRST_REHEARSAL_ID + 200))
    handler.handle([*old, *request_records(coupon.coupon_id, [1])])
    assert issued_users(database) == [1]
    assert letters.letters == []

    handler.handle([*old, *request_records(purged + 1_000, [1])])
    assert [type(each.error) for each in letters.letters] == [UnknownCoupon]
