"""The code runs on the schema of a later version, which has columns that it does not know."""

from datetime import UTC, datetime

import psycopg

from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupon_actions import NEWEST, list_coupon_actions
from coupons.ledger.coupon_pages import read_coupon
from coupons.ledger.coupons import (
    NewCoupon,
    begin_gate_epoch,
    change_coupon,
    find_coupon,
    list_coupons,
    list_live,
)
from coupons.ledger.idempotency import CreationKey, create_once
from coupons.ledger.owned_coupons import (
    expire_issued_coupons,
    find_owned_coupon,
    list_changes,
    list_expiry_due,
    list_owned_coupons,
)
from coupons.model import ChangeOutcome, IssuedChange
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.issued import request_and_issue
from tests.support.ledger import MakeCoupon

TABLES = (
    *("coupon", "coupon_issue_request", "issued_coupon", "issue_rejection"),
    *("issued_coupon_change", "coupon_expiry_walk", "operator_action", "idempotency_key"),
)
KEY = CreationKey(1, "k", bytes(32))
NEW = NewCoupon(
    coupon_id=99,
    name="another",
    total_quantity=1,
    issue_starts_at=datetime(2090, 1, 1, tzinfo=UTC),
    issue_ends_at=None,
    eligible_group=None,
)
WIDER_VIEW = """
DO $$ BEGIN
  EXECUTE format('CREATE OR REPLACE VIEW owned_coupon AS SELECT o.*, 1 AS later FROM (%s) AS o',
                 rtrim(pg_get_viewdef('owned_coupon'::regclass), ';'));
END $$
"""


def _migrate(database: Database) -> None:
    """As a later version does."""
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
        for table in TABLES:
            owner.execute(f"ALTER TABLE {table} ADD COLUMN later text DEFAULT 'x'")
        owner.execute(WIDER_VIEW)


def test_columns_of_a_later_migration_disturb_nobody(
    database: Database, make_coupon: MakeCoupon
) -> None:
    _migrate(database)
    coupon = make_coupon()
    with connect_ledger(database.url("coupon_api"), "test") as api:
        assert find_coupon(api, coupon.coupon_id) == coupon
        assert list_coupons(api) == [coupon]
        changed = change_coupon(api, coupon.coupon_id, name="another")
        assert changed is not None
        assert changed.name == "another"


def test_a_migration_disturbs_no_session_that_is_open(
    database: Database, make_coupon: MakeCoupon
) -> None:
    """The statements of a session are prepared: a new column must not change a result's type."""
    coupon = make_coupon()
    request_and_issue(database, coupon.coupon_id, range(1, 2))
    with (
        connect_ledger(database.url("coupon_api"), "test") as api,
        connect_ledger(database.url("coupon_reconciler"), "test") as reconciler,
    ):

        def use_every_query(order: str) -> None:
            found = find_coupon(api, coupon.coupon_id)
            assert found is not None
            assert found in list_coupons(api)
            assert list_live(api, [], most=1) == ([found], 1)
            assert read_coupon(api, coupon.coupon_id) == found
            assert len(list_coupon_actions(api, coupon.coupon_id, NEWEST, 1)) == 1
            assert create_once(api, KEY, "ana", **NEW)[0] is not None
            assert change_coupon(api, coupon.coupon_id, name="another") is not None
            assert begin_gate_epoch(reconciler, coupon.coupon_id) is not None
            owned = find_owned_coupon(api, 1, coupon.coupon_id)
            assert list_owned_coupons(api, 1, 10) == [owned]
            for change in (IssuedChange.USE, IssuedChange.CANCEL_USE):
                changed = change_owned_coupon(
                    api, 1, coupon.coupon_id, change, "a test", order_reference=order
                )
                assert changed is not None
                assert changed[0] is ChangeOutcome.DONE
            assert list_changes(api, 1, coupon.coupon_id, 10)
            assert list_expiry_due(reconciler) == []
            assert expire_issued_coupons(reconciler, coupon.coupon_id, 10).is_done

        use_every_query("A")
        _migrate(database)
        use_every_query("B")
