"""Waits until accepted claims are issued, read from the ledger's counters."""

import time
from collections.abc import Sequence

import psycopg

from coupons.waiting import attempts

STILL_SECONDS = 15.0
"""Without progress for this long, what is missing counts as lost."""
_POLL_SECONDS = 0.02


def issued_count(connection: psycopg.Connection, *coupon_ids: int) -> int:
    """Issued coupons now, by the ledger's counters; the connection must be in autocommit."""
    row = connection.execute(
        "SELECT sum(issued_count) FROM coupon WHERE coupon_id = ANY(%s)", [list(coupon_ids)]
    ).fetchone()
    assert row is not None
    return int(row[0])


def await_issued(
    connection: psycopg.Connection, coupon_ids: Sequence[int], how_many: int, within_s: float
) -> None:
    """Wait until that many are issued. Raises TimeoutError."""
    for _ in attempts(within_s, _POLL_SECONDS):
        if issued_count(connection, *coupon_ids) >= how_many:
            return
    raise TimeoutError(f"fewer than {how_many:,} coupons were issued within {within_s} s")


def await_all_issued(
    connection: psycopg.Connection,
    coupon_id: int,
    how_many: int,
    still_seconds: float = STILL_SECONDS,
) -> tuple[int, float]:
    """Wait until that many are issued, or until none were issued for a while.

    Returns how many are issued, and the seconds until the last one.
    """
    began = moved = time.monotonic()
    seen = issued_count(connection, coupon_id)
    while seen < how_many and time.monotonic() - moved < still_seconds:
        time.sleep(_POLL_SECONDS)
        issued = issued_count(connection, coupon_id)
        if issued != seen:
            seen, moved = issued, time.monotonic()
    return seen, moved - began
