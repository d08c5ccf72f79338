"""The code runs on the schema of a later version, which has columns that it does not know."""

import psycopg

from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import change_coupon, find_coupon, list_coupons
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

TABLES = ("coupon", "coupon_issue_request", "issued_coupon", "issue_rejection")


def test_columns_of_a_later_migration_disturb_nobody(
    database: Database, make_coupon: MakeCoupon
) -> None:
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
        for table in TABLES:
            owner.execute(f"ALTER TABLE {table} ADD COLUMN later text DEFAULT 'x'")
    coupon = make_coupon()
    with connect_ledger(database.url("coupon_api"), "test") as api:
        assert find_coupon(api, coupon.coupon_id) == coupon
        assert list_coupons(api) == [coupon]
        changed = change_coupon(api, coupon.coupon_id, name="another")
        assert changed is not None
        assert changed.name == "another"
