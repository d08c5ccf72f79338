"""Rows of the ledger that stand alone: requests of no coupon, and outcomes of no request."""

from coupons.ledger.connection import Connection, translated
from coupons.queries import query
from operations.verify.report import MOST_NAMED, Discrepancy

NO_COUPON = "no_coupon"
NO_REQUEST = "no_request"


def find_strays(
    connection: Connection, coupon_id: int | None = None, most: int = MOST_NAMED
) -> list[Discrepancy]:
    """Those of one coupon, or of all; at most so many of each kind. Raises LedgerUnavailable.

    Reads every outcome.
    """
    values = {"coupon_id": coupon_id, "most": most}
    with translated(connection):
        outcomes = connection.execute(query("find_outcomes_without_request"), values).fetchall()
    alone = [
        Discrepancy(
            coupon, user, NO_REQUEST, f"it is {status}, and there is no row of the request", at
        )
        for coupon, user, at, status in outcomes
    ]
    return [*find_orphans(connection, coupon_id, most), *alone]


def find_orphans(
    connection: Connection, coupon_id: int | None = None, most: int = MOST_NAMED
) -> list[Discrepancy]:
    """Requests whose coupon does not exist. Cheap. Raises LedgerUnavailable."""
    values = {"coupon_id": coupon_id, "most": most}
    with translated(connection):
        rows = connection.execute(query("find_requests_without_coupon"), values).fetchall()
    return [
        Discrepancy(
            coupon, user, NO_COUPON, f"there is no coupon {coupon}: nothing can become of it", at
        )
        for coupon, user, at in rows
    ]
