"""The change stream as the ledger sees it: the replication slot, and requests not final yet."""

from collections.abc import Iterator
from typing import NamedTuple

from coupons.ledger.connection import Connection, translated
from coupons.ledger.requests import ROWS_PER_FETCH
from coupons.model import IssueRequest, Status, to_microseconds
from coupons.queries import query

SLOT = "coupon_cdc"


class Slot(NamedTuple):
    """now_us: the server's clock, microseconds since 1970. wal_status: None where there is none.

    behind_bytes: WAL that the reader has not confirmed; it confirms now and then, so that some
    kilobytes are usual.
    """

    now_us: int
    active: bool
    wal_status: str | None
    behind_bytes: int


def look_at_slot(connection: Connection, slot: str = SLOT) -> Slot:
    """The slot that Debezium reads from. Raises LedgerUnavailable."""
    with translated(connection):
        row = connection.execute(query("look_at_slot"), {"slot": slot}).fetchone()
    assert row is not None
    now_us, active, wal_status, behind_bytes = row
    return Slot(now_us, bool(active), wal_status, behind_bytes or 0)


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
