"""Retirements of coupons, step by step."""

from datetime import timedelta

from coupons.ledger.connection import Connection
from coupons.ledger.retired import (
    Beginning,
    RetiredCounts,
    begin_retirement,
    drop_page,
    note_export,
)

YEAR = timedelta(days=365)
WHO = "somebody"
COUNTS = RetiredCounts(5, 3, {"sold_out": 2}, 3, 0, 0, 0)
FILES = {"requests.1.parquet": {"rows": 5, "sha256": "0" * 64}}


def begin(ops: Connection, coupon_id: int) -> Beginning:
    return begin_retirement(ops, coupon_id, YEAR, WHO)


def export(ops: Connection, coupon_id: int, counts: RetiredCounts = COUNTS) -> str:
    return note_export(ops, coupon_id, counts, "/exports/coupon-1", FILES)


def retire(ops: Connection, coupon_id: int) -> None:
    """All of it, but for the files."""
    begin(ops, coupon_id)
    export(ops, coupon_id)
    last = 0
    while not (page := drop_page(ops, coupon_id, last, WHO)).is_done:
        last = page.last_user_id
