"""Writes what has expired as changes of issued coupons, on a thread beside the passes.

Everybody reads a coupon as expired at once, by its time. The row is for those who follow the
changes. It needs the ledger alone, so that it runs also while Redis is down.
"""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from threading import Event

import psycopg

from coupons.backoff import Backoff
from coupons.errors import CouponError, LedgerUnavailable
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.owned_coupons import expire_issued_coupons, list_expiry_due
from operations.repair.failure_scope import is_of_one_coupon
from reconciler.metrics import RECONCILER_EXPIRED

log = logging.getLogger(__name__)

CHECK_EVERY_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
ANSWER_TIMEOUT_SECONDS = 30.0
PAGE_SIZE = 1_000
"""Requests a transaction: it holds its locks for about a tenth of a second."""


def run_expiry_sweep(database_url: str, stop: Event) -> None:
    """Write what has expired, again and again, until `stop` is set.

    A standby may do this at the same time as the active reconciler: they share the work. A process
    that is stopped holds no lock, because each page is one statement.
    """
    backoff = Backoff(CHECK_EVERY_SECONDS, LONGEST_PAUSE_SECONDS)
    pause = CHECK_EVERY_SECONDS
    while not stop.wait(pause):
        try:
            with closing(
                connect_ledger(database_url, "coupon-expiry", ANSWER_TIMEOUT_SECONDS)
            ) as connection:
                while not stop.is_set():
                    sweep(connection, stop.wait)
                    backoff.reset()
                    stop.wait(CHECK_EVERY_SECONDS)
        except (LedgerUnavailable, psycopg.Error) as error:
            log.warning("cannot write what has expired, will try again: %s", error)
            pause = backoff.next_seconds()


def sweep(
    connection: Connection, rest: Callable[[float], bool], page_size: int = PAGE_SIZE
) -> None:
    """Go once over the coupons in which something may have expired.

    rest: waits so many seconds, and says whether to stop. After each page it rests as long as the
    page took, so that Postgres has time for claims. A coupon that cannot be handled is logged and
    stops no other. Raises LedgerUnavailable when all would fail.
    """
    for coupon_id in list_expiry_due(connection):
        try:
            if not _sweep_coupon(connection, coupon_id, rest, page_size):
                return
        except Exception as error:
            if not is_of_one_coupon(error, connection):
                raise
            unexpected = not isinstance(error, CouponError | psycopg.Error)
            log.warning(
                "cannot write what has expired of the coupon: %s",
                error,
                exc_info=unexpected,
                extra={"coupon_id": coupon_id},
            )


def _sweep_coupon(
    connection: Connection, coupon_id: int, rest: Callable[[float], bool], page_size: int
) -> bool:
    """Go on where the coupon's walk is, to its end. False: it was stopped."""
    expired = 0
    while True:
        began = time.monotonic()
        page = expire_issued_coupons(connection, coupon_id, page_size)
        RECONCILER_EXPIRED.inc(page.expired_rows)
        expired += page.expired_rows
        stopping = rest(time.monotonic() - began)
        if page.is_done or stopping:
            break
    if expired:
        log.info("issued coupons expired", extra={"coupon_id": coupon_id, "count": expired})
    return not stopping
