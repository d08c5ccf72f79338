"""Coupons that can be retired: closed, archived, and that for long."""

from collections.abc import Iterable

from psycopg.types.json import Jsonb

from coupons.ledger.admin_states import archive_coupon
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import change_coupon
from coupons.ledger.retired import RetiredCounts
from coupons.model import CouponState
from tests.support.databases import Database
from tests.support.issued import as_owner

TABLES = (
    *("coupon_issue_request", "issued_coupon", "issue_rejection"),
    *("issued_coupon_change", "coupon_code"),
)

NOTHING = RetiredCounts(0, 0, {}, 0, 0, 0, 0)


def archive(database: Database, coupon_id: int, days_ago: int = 400) -> None:
    """Close and archive it, so many days ago by the audit trail."""
    with connect_ledger(database.url("coupon_api"), "test") as api:
        assert change_coupon(api, coupon_id, state=CouponState.CLOSED)
        assert archive_coupon(api, coupon_id)
    as_owner(
        database,
        "UPDATE operator_action SET acted_at = acted_at - make_interval(days => %s)"
        " WHERE coupon_id = %s",
        days_ago,
        coupon_id,
    )


def retire_without_files(database: Database, coupon_id: int) -> None:
    """As if the rows of an archived coupon were in files, which a test does not need."""
    as_owner(
        database,
        "INSERT INTO retired_coupon (coupon_id, exported_at, counts, folder, files)"
        " VALUES (%s, '2027-01-02T03:04:05Z', %s, '/exports/coupon-1', '{}')",
        coupon_id,
        Jsonb(NOTHING._asdict()),
    )


def rows(database: Database, coupon_id: int, tables: Iterable[str] = TABLES) -> dict[str, int]:
    """How many rows of the coupon each table has."""
    return {
        table: len(as_owner(database, f"SELECT 1 FROM {table} WHERE coupon_id = %s", coupon_id))
        for table in tables
    }
