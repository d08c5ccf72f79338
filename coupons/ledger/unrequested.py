"""Outcomes without their request row: the ledger went back in time, and the event came after."""

from collections.abc import Sequence

from coupons.ledger.connection import Connection, int_array, translated
from coupons.model import IssueRequest, Status, to_microseconds
from coupons.queries import query


def find_unrequested(
    connection: Connection, coupon_id: int, user_ids: Sequence[int] | None = None
) -> list[IssueRequest]:
    """As the requests that they were issued or rejected for; of these users, or of all."""
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
    """Write their request rows, as they were; return them.

    An outcome holds all that its request held, so the row is exact. Its event comes once more, and
    is known.
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
