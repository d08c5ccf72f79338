"""The states that only administrators set and see: a draft is opened, a closed coupon archived."""

from collections.abc import Sequence

from coupons.ledger.connection import Connection
from coupons.ledger.coupons import one_coupon
from coupons.model import Coupon


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

    Raises psycopg.errors.CheckViolation when some of its requests are not final.
    """
    values = {"coupon_id": coupon_id, "seen_versions": seen_versions}
    return one_coupon(connection, "archive_coupon", values, acted_by)
