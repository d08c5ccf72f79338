"""Ends erasures that were cut off, and erases again what an old record of Kafka brought back."""

import logging
from contextlib import closing
from threading import Event

from coupons.backoff import Backoff
from coupons.errors import CouponError
from coupons.gate import connect_gate
from coupons.gate.erasing import UNDER_WAY_SECONDS, end_erasures_from_lists, erase_again
from coupons.ledger.audience_uploads import forget_audience_uploads
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.erasures import Returned, forget_erased_requests, list_returned
from operations.repair.failure_scope import is_of_one_coupon
from reconciler.metrics import RECONCILER_ERASED_AGAIN

log = logging.getLogger(__name__)

CHECK_EVERY_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 60.0
ANSWER_TIMEOUT_SECONDS = 30.0


class ErasureWatch:
    """Looks again and again. failure: why it could not the last time; None: it could."""

    def __init__(self, redis_url: str, database_url: str) -> None:
        self._gate = connect_gate(redis_url)
        self._database_url = database_url
        self.failure: str | None = None

    def run(self, stop: Event) -> None:
        """Work until `stop` is set. After any error, try again.

        A standby may do this at the same time as the active reconciler: the second one of two
        erasures finds nothing.
        """
        backoff = Backoff(CHECK_EVERY_SECONDS, LONGEST_PAUSE_SECONDS)
        while not stop.is_set():
            try:
                self.look()
                self.failure = None
                backoff.reset()
                stop.wait(CHECK_EVERY_SECONDS)
            except Exception as error:
                self.failure = f"cannot erase again what came back, will try again: {error}"
                unexpected = not isinstance(error, CouponError)
                log.warning("%s", self.failure, exc_info=unexpected)
                stop.wait(backoff.next_seconds())

    def look(self) -> None:
        """Look once. One that cannot be erased stops no other.

        Raises RedisUnavailable, LedgerUnavailable, or what the first of those that failed raised.
        """
        failed: Exception | None = None
        with closing(
            connect_ledger(self._database_url, "coupon-erasures", ANSWER_TIMEOUT_SECONDS)
        ) as connection:
            forget_erased_requests(connection)
            forget_audience_uploads(connection)
            end_erasures_from_lists(self._gate, connection)
            for returned in list_returned(connection, UNDER_WAY_SECONDS):
                try:
                    self._erase_again(connection, returned)
                except Exception as error:
                    if not is_of_one_coupon(error, connection):
                        raise
                    failed = failed or error
        if failed is not None:
            raise failed

    def _erase_again(self, connection: Connection, returned: Returned) -> None:
        if erase_again(self._gate, connection, returned):
            RECONCILER_ERASED_AGAIN.inc()
            log.info("erased again", extra={"erasure_id": str(returned.erasure_id)})
