"""A record of Kafka outlives the rows of its request, which are in files."""

import psycopg

from cdc_consumer.handling import BatchHandler
from coupons.gate import Gate
from coupons.model import Coupon, Status
from tests.support.databases import Database
from tests.support.events import KeptLetters, request_records
from tests.support.handling import issued_users, statuses
from tests.support.ledger import MakeCoupon


def test_old_records_of_a_retired_coupon_are_passed_over(
    handler: BatchHandler,
    letters: KeptLetters,
    database: Database,
    coupon: Coupon,
    make_coupon: MakeCoupon,
    gate: Gate,
) -> None:
    """They were final before its rows went into files; the others of the batch are issued."""
    retired = make_coupon(total_quantity=10)
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(
            "UPDATE coupon SET state = 'closed', admin_state = 'archived' WHERE coupon_id = %s",
            [retired.coupon_id],
        )
        owner.execute("INSERT INTO retired_coupon (coupon_id) VALUES (%s)", [retired.coupon_id])
    old = request_records(retired.coupon_id, [7, 8])
    handler.handle([*old, *request_records(coupon.coupon_id, [1, 2])])
    handler.handle(old)
    assert issued_users(database) == [1, 2]
    assert statuses(gate, coupon, [1, 2]) == [Status.ISSUED, Status.ISSUED]
    assert letters.letters == []
