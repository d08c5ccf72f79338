"""The states that only administrators set and see: a draft is opened, a closed coupon archived."""

from collections.abc import Collection, Sequence

from coupons.ledger.connection import Connection, int_array, translated
from coupons.ledger.coupons import one_coupon
from coupons.model import Coupon
from coupons.queries import query


def open_draft(
    connection: Connection,
    coupon_id: int,
    acted_by: str | None = None,
    seen_versions: Sequence[int] | None = None,
) -> Coupon | None:
    """Open a draft, for good. None when it is no draft, or has none of these versions.

    Whoever gets the coupon opens it at the gate: nobody can have claimed it before.
    """
    values = {"coupon_id": coupon_id, "seen_versions": seen_versions}
    return one_coupon(connection, "open_draft", values, acted_by)


def archive_coupon(
    connection: Connection,
    coupon_id: int,
    acted_by: str | None = None,
    seen_versions: Sequence[int] | None = None,
) -> Coupon | None:
    """Archive a closed coupon, for good. None when it is not closed, or has none of these versions.

    No claim that was admitted before is accepted any more: its epoch is over.

    Raises psycopg.errors.CheckViolation when some of its requests are not final.
    """
    values = {"coupon_id": coupon_id, "seen_versions": seen_versions}
    return one_coupon(connection, "archive_coupon", values, acted_by)


def find_archived(connection: Connection, coupon_ids: Collection[int]) -> set[int]:
    """Those of these coupons that are archived."""
    values = {"coupon_ids": int_array(coupon_ids)}
    with translated(connection):
        return {row[0] for row in connection.execute(query("find_archived"), values)}


def newest_archive(connection: Connection) -> int:
    """Another number once another coupon is archived; 0: none is."""
    with translated(connection):
        row = connection.execute(query("newest_archive")).fetchone()
    return 0 if row is None else int(row[0])


def count_archived(connection: Connection) -> int:
    """How many coupons are archived."""
    with translated(connection):
        row = connection.execute(query("count_archived")).fetchone()
    return 0 if row is None else int(row[0])
