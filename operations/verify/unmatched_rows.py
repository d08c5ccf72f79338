"""Rows of the ledger that belong to nothing: requests of no coupon, outcomes of no request."""

from coupons.ledger.connection import Connection, translated
from coupons.queries import query
from operations.verify.mismatch import MismatchKind
from operations.verify.report import MOST_NAMED, Discrepancy


def find_unmatched(
    connection: Connection, coupon_id: int | None = None, most: int = MOST_NAMED
) -> list[Discrepancy]:
    """Those of one coupon, or of all; at most `most` of each kind. Raises LedgerUnavailable.

    Reads every outcome.
    """
    values = {"coupon_id": coupon_id, "most": most}
    with translated(connection):
        outcomes = connection.execute(query("find_outcomes_without_request"), values).fetchall()
    without_request = [
        Discrepancy(
            coupon,
            user,
            MismatchKind.NO_REQUEST,
            f"it is {status}, and its request row is missing",
            at,
        )
        for coupon, user, at, status in outcomes
    ]
    return [*find_requests_without_coupon(connection, coupon_id, most), *without_request]


def find_requests_without_coupon(
    connection: Connection, coupon_id: int | None = None, most: int = MOST_NAMED
) -> list[Discrepancy]:
    """Requests whose coupon does not exist. Cheap. Raises LedgerUnavailable."""
    values = {"coupon_id": coupon_id, "most": most}
    with translated(connection):
        rows = connection.execute(query("find_requests_without_coupon"), values).fetchall()
    return [
        Discrepancy(
            coupon,
            user,
            MismatchKind.NO_COUPON,
            f"there is no coupon {coupon}: it can never become final",
            at,
        )
        for coupon, user, at in rows
    ]
