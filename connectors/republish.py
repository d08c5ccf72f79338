"""Requests without a final status: counted, and written to the WAL again to be streamed again."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from coupons.ledger.connection import Connection, int_array, translated
from coupons.queries import query

PAGE_ROWS = 5_000
_PAGES_PER_MESSAGE = 20

Notify = Callable[[str], None]
"""Called with one line for each step."""


class NotFinal(NamedTuple):
    """Requests that have no final status."""

    requests: int
    oldest: datetime | None


def count_not_final(
    connection: Connection,
    before: datetime | None = None,
    coupon_ids: Sequence[int] | None = None,
) -> NotFinal:
    """Requests older than `before` (default: now), of these coupons (default: of all).

    Reads every request of these coupons. Raises LedgerUnavailable.
    """
    of_coupons = None if coupon_ids is None else int_array(coupon_ids)
    values = {"before": before or datetime.now(UTC), "coupon_ids": of_coupons}
    with translated(connection):
        row = connection.execute(query("count_not_final"), values).fetchone()
    assert row is not None
    return NotFinal(*row)


def republish(connection: Connection, notify: Notify) -> int:
    """Write every request that is not final to the WAL again; return how many.

    One transaction a page. A request that is republished twice is handled twice and issued once.
    """
    key, read, republished = (0, 0), 0, 0
    while True:
        values = {"coupon_id": key[0], "user_id": key[1], "page_size": PAGE_ROWS}
        with translated(connection):
            row = connection.execute(query("republish"), values).fetchone()
        assert row is not None
        if row[0] is None:
            notify(f"republished {republished} of {read} requests: those without a final status")
            return republished
        key, read, republished = (row[0], row[1]), read + row[2], republished + row[3]
        if read % (PAGE_ROWS * _PAGES_PER_MESSAGE) == 0:
            notify(f"read {read} requests, republished {republished}")


def republish_any(connection: Connection) -> bool:
    """Write one request to the WAL again, whatever its status; False: there is none.

    It is handled once more and changes nothing. Raises LedgerUnavailable.
    """
    with translated(connection):
        row = connection.execute(query("republish_any")).fetchone()
    return row is not None and bool(row[0])
