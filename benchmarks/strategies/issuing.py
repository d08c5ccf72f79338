"""Waits until what was accepted is issued, or nothing moves any more."""

import time

import psycopg

from benchmarks.load import issued_count

STILL_SECONDS = 15.0
"""Nothing issued for so long: what is missing then does not come any more."""
_POLL_SECONDS = 0.02


def await_all_issued(
    connection: psycopg.Connection,
    coupon_id: int,
    how_many: int,
    still_seconds: float = STILL_SECONDS,
) -> tuple[int, float]:
    """Wait until that many are issued, or no more are for a while; how many, after which seconds.

    The seconds end with the last one issued.
    """
    began = moved = time.monotonic()
    seen = issued_count(connection, coupon_id)
    while seen < how_many and time.monotonic() - moved < still_seconds:
        time.sleep(_POLL_SECONDS)
        issued = issued_count(connection, coupon_id)
        if issued != seen:
            seen, moved = issued, time.monotonic()
    return seen, moved - began
