"""Writes what has expired as changes of issued coupons, on a thread beside the passes.

Everybody reads a coupon as expired at once, by its time. The row is for those who follow the
changes. It needs the ledger alone, so that it runs also while Redis is down.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from threading import Event

import psycopg

from coupons.backoff import Backoff
from coupons.errors import CouponError
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.owned_coupons import expire_issued_coupons, list_expiry_due
from operations.repair.failure_scope import is_of_one_coupon
from reconciler.failing import FailingCoupons
from reconciler.metrics import RECONCILER_EXPIRED, RECONCILER_EXPIRY_FAILING_COUPONS

log = logging.getLogger(__name__)

CHECK_EVERY_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
ANSWER_TIMEOUT_SECONDS = 30.0
PAGE_SIZE = 1_000
"""Requests a transaction: it holds its locks for about a tenth of a second."""


class ExpirySweep:
    """Repeats rounds over the coupons in which something may have expired.

    failure: why the last round failed; None: it did not.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._failing = FailingCoupons(CHECK_EVERY_SECONDS, LONGEST_PAUSE_SECONDS)
        self._expired: Counter[int] = Counter()
        self.failure: str | None = None

    def run(self, stop: Event) -> None:
        """Write what has expired until `stop` is set. After any error, try again.

        A standby may do this at the same time as the active reconciler: they share the work. A
        process that is stopped holds no lock, because each page is one statement.
        """
        backoff = Backoff(CHECK_EVERY_SECONDS, LONGEST_PAUSE_SECONDS)
        while not stop.is_set():
            try:
                with closing(
                    connect_ledger(
                        self._database_url,
                        "coupon-expiry",
                        ANSWER_TIMEOUT_SECONDS,
                        by_key=True,
                    )
                ) as connection:
                    while not stop.is_set():
                        has_more = self.sweep(connection, stop.wait)
                        self.failure = None
                        backoff.reset()
                        if not has_more:
                            stop.wait(CHECK_EVERY_SECONDS)
            except Exception as error:
                self.failure = f"cannot write what has expired, will try again: {error}"
                log.warning("%s", self.failure, exc_info=_is_unexpected(error))
                stop.wait(backoff.next_seconds())

    def sweep(
        self, connection: Connection, rest: Callable[[float], bool], page_size: int = PAGE_SIZE
    ) -> bool:
        """Handle the next page of each coupon. Returns whether one has more pages.

        So no coupon waits until a larger one is done. rest: waits so many seconds, and says whether
        to stop. After each page it rests as long as the page took, so that Postgres has time for
        claims. A coupon that cannot be handled is tried again with growing pauses, and stops no
        other. Raises LedgerUnavailable when all would fail.
        """
        has_more = False
        due = list_expiry_due(connection)
        for coupon_id in filter(self._failing.may_try, due):
            began = time.monotonic()
            try:
                has_more |= self._write_page(connection, coupon_id, page_size)
                self._failing.worked(coupon_id)
            except Exception as error:
                if not is_of_one_coupon(error, connection):
                    raise
                self._failed(coupon_id, error)
            if rest(time.monotonic() - began):
                return False
        RECONCILER_EXPIRY_FAILING_COUPONS.set(self._failing.among(due))
        return has_more

    def _write_page(self, connection: Connection, coupon_id: int, page_size: int) -> bool:
        """Go on where the coupon's walk is. Returns whether it has more pages."""
        page = expire_issued_coupons(connection, coupon_id, page_size)
        RECONCILER_EXPIRED.inc(page.expired_rows)
        self._expired[coupon_id] += page.expired_rows
        if page.is_done and (expired := self._expired.pop(coupon_id)):
            about = {"coupon_id": coupon_id, "count": expired}
            log.info("issued coupons expired", extra=about)
        return not page.is_done

    def _failed(self, coupon_id: int, error: Exception) -> None:
        if self._failing.failed(coupon_id):
            log.warning(
                "cannot write what has expired of the coupon: %s",
                error,
                exc_info=_is_unexpected(error),
                extra={"coupon_id": coupon_id},
            )


def _is_unexpected(error: Exception) -> bool:
    """Whether its traceback is needed to understand it."""
    return not isinstance(error, CouponError | psycopg.Error)
