"""Requests that are not final yet: their change events are still to be handled."""

from collections.abc import Iterator

from coupons.ledger.connection import Connection, translated
from coupons.ledger.requests import ROWS_PER_FETCH
from coupons.model import IssueRequest, Status, to_microseconds
from coupons.queries import query


def read_clock_us(connection: Connection) -> int:
    """The server's clock in microseconds since 1970, as in heartbeats."""
    with translated(connection):
        row = connection.execute(query("read_clock")).fetchone()
    assert row is not None
    return int(row[0])


def stream_unfinished(connection: Connection, coupon_id: int) -> Iterator[IssueRequest]:
    """Every request of a coupon that is not final, in bounded memory."""
    with (
        translated(connection),
        connection.transaction(),
        connection.cursor(name="stream_unfinished") as cursor,
    ):
        cursor.itersize = ROWS_PER_FETCH
        cursor.execute(query("stream_unfinished"), {"coupon_id": coupon_id})
        for user_id, requested_at in cursor:
            yield IssueRequest(coupon_id, user_id, to_microseconds(requested_at), Status.REQUESTED)
