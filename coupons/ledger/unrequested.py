"""Outcomes without a request row: the ledger went back in time before the event was handled."""

from collections.abc import Sequence

from coupons.ledger.connection import Connection, int_array, translated
from coupons.model import IssueRequest, Status, to_microseconds
from coupons.queries import query


def find_unrequested(
    connection: Connection, coupon_id: int, user_ids: Sequence[int] | None = None
) -> list[IssueRequest]:
    """The requests of these outcomes; of these users, or of all users."""
    users = None if user_ids is None else int_array(user_ids)
    values = {"coupon_id": coupon_id, "user_ids": users}
    with translated(connection):
        rows = connection.execute(query("find_unrequested"), values).fetchall()
    return [
        IssueRequest(coupon_id, user_id, to_microseconds(requested_at), Status(status), reason)
        for user_id, requested_at, status, reason in rows
    ]


def write_unrequested(
    connection: Connection, coupon_id: int, user_ids: Sequence[int] | None = None
) -> list[IssueRequest]:
    """Write their request rows again, as coupon_reconciler; return the requests.

    An outcome has all the fields of its request, so the row is exact. Its change event comes once
    more, and changes nothing.
    """
    found = find_unrequested(connection, coupon_id, user_ids)
    if found:
        values = {
            "coupon_ids": int_array(request.coupon_id for request in found),
            "user_ids": int_array(request.user_id for request in found),
            "requested_at_us": int_array(request.requested_at_us for request in found),
        }
        with translated(connection):
            connection.execute(query("restore_requests"), values)
    return found


def operate_unrequested(connection: Connection, coupon_id: int) -> list[IssueRequest]:
    """The same for all users, as coupon_ops."""
    found = find_unrequested(connection, coupon_id)
    if found:
        with translated(connection):
            connection.execute(query("operate_lost_requests"), {"coupon_id": coupon_id})
    return found
