"""Coupons in pages, the newest first, and one with its terms."""

from typing import NamedTuple

import psycopg
from psycopg.rows import dict_row

from coupons.errors import CouponUnreadable
from coupons.ledger.connection import Connection, translated
from coupons.ledger.coupons import coupon_of_row
from coupons.model import Coupon
from coupons.queries import query


class ListedCoupon(NamedTuple):
    """A line of a list. opens: day and time in UTC."""

    coupon_id: int
    name: str
    state: str
    total_quantity: int
    issued_count: int
    rejected_count: int
    opens: str


def search_coupons(
    connection: Connection, words: str, state: str, before: int, most: int
) -> list[ListedCoupon]:
    """At most so many coupons with an id below `before`, the greatest first.

    words: a part of the name, or an id; empty: all. state: empty: any. Raises LedgerUnavailable.
    """
    values = {"words": words, "state": state, "before": before, "most": most}
    with translated(connection):
        rows = connection.execute(query("search_coupons"), values)
        return [ListedCoupon(*row) for row in rows]


def page_of_coupons(
    connection: Connection, words: str, state: str, before: int, most: int
) -> list[tuple[int, Coupon | None]]:
    """The same with everything that is known of them; None: its row cannot be read."""
    ids = [each.coupon_id for each in search_coupons(connection, words, state, before, most)]
    try:
        found = {each.coupon_id: each for each in _read(connection, ids)}
    except CouponUnreadable:
        return [(coupon_id, _readable(connection, coupon_id)) for coupon_id in ids]
    return [(coupon_id, found[coupon_id]) for coupon_id in ids]


def read_coupon(connection: Connection, coupon_id: int) -> Coupon | None:
    """The coupon with its terms, or None. Raises CouponUnreadable."""
    return next(iter(_read(connection, [coupon_id])), None)


def _readable(connection: Connection, coupon_id: int) -> Coupon | None:
    try:
        return read_coupon(connection, coupon_id)
    except CouponUnreadable:
        return None


def _read(connection: Connection, coupon_ids: list[int]) -> list[Coupon]:
    # One row that cannot be read makes the statement fail for all.
    try:
        with translated(connection), connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query("read_coupons"), {"coupon_ids": coupon_ids})
            return [coupon_of_row(row) for row in rows]
    except (psycopg.DataError, ValueError) as error:
        which = ", ".join(map(str, coupon_ids))
        raise CouponUnreadable(f"coupon {which} cannot be read: {error}") from error
