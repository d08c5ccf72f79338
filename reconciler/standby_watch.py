"""Promotes the first in line when stock comes back, on a thread beside the passes."""

import logging
from collections.abc import Sequence
from contextlib import closing
from threading import Event

from coupons.backoff import Backoff
from coupons.errors import CouponError
from coupons.gate import Gate, connect_gate
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.silent_sessions import end_when_silent
from coupons.ledger.standby import Line, list_lines, tidy_standby
from coupons.process.logging import log_requests
from operations.repair.failure_scope import is_of_one_coupon
from operations.repair.promotion import HELD_SECONDS, promote
from reconciler.metrics import RECONCILER_PROMOTED, RECONCILER_STANDBY_LINES

log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 60.0
ANSWER_TIMEOUT_SECONDS = 30.0
MOST_AT_ONCE = 500
"""Users a promotion, and entries that are ended in one transaction."""
BEYOND_STOCK = 20
"""Users who are asked for beyond the stock: a promotion that was cut off may have admitted them."""


class StandbyWatch:
    """Looks again and again. failure: why it could not the last time; None: it could.

    interval_s: the pause between two rounds, in seconds.
    """

    def __init__(self, redis_url: str, database_url: str, interval_s: float) -> None:
        self._gate = connect_gate(redis_url)
        self._database_url = database_url
        self._interval_s = interval_s
        self.failure: str | None = None

    def run(self, stop: Event) -> None:
        """Work until `stop` is set. After any error, try again.

        Several reconcilers may do this at the same time: one of them promotes from a line.
        """
        backoff = Backoff(2 * self._interval_s, LONGEST_PAUSE_SECONDS)
        while not stop.is_set():
            try:
                with closing(
                    connect_ledger(self._database_url, "coupon-standby", ANSWER_TIMEOUT_SECONDS)
                ) as connection:
                    end_when_silent(connection, max(HELD_SECONDS, 2 * self._interval_s))
                    while not stop.is_set():
                        has_more = serve_lines(self._gate, connection)
                        self.failure = None
                        backoff.reset()
                        if not has_more:
                            stop.wait(self._interval_s)
            except Exception as error:
                self.failure = f"cannot serve the standby lists, will try again: {error}"
                log.warning("%s", self.failure, exc_info=not isinstance(error, CouponError))
                stop.wait(backoff.next_seconds())


def serve_lines(gate: Gate, connection: Connection) -> bool:
    """Go once over all lines; whether one moved, so that more may be done at once.

    One that cannot be served stops no other. Raises RedisUnavailable, LedgerUnavailable, or what
    the first of those that failed raised.
    """
    lines = list_lines(connection)
    RECONCILER_STANDBY_LINES.set(len(lines))
    failed: Exception | None = None
    moved = False
    for line, left in zip(lines, _stock_left(gate, lines), strict=True):
        try:
            moved |= _promote(gate, connection, line.coupon_id, left)
            tidy_standby(connection, line.coupon_id, MOST_AT_ONCE)
        except Exception as error:
            if not is_of_one_coupon(error, connection):
                raise
            failed = failed or error
    if failed is not None:
        raise failed
    return moved


def _stock_left(gate: Gate, lines: Sequence[Line]) -> list[int]:
    """How many of each coupon nobody has taken; 0: also where that is not known."""
    figures = gate.figures([line.coupon_id for line in lines])
    return [
        0 if each is None else max(0, line.total - each.issued - each.pending)
        for line, each in zip(lines, figures, strict=True)
    ]


def _promote(gate: Gate, connection: Connection, coupon_id: int, left: int) -> bool:
    """Whether somebody waits no more."""
    most = min(left + BEYOND_STOCK, MOST_AT_ONCE)
    promoted, not_eligible = promote(gate, connection, coupon_id, most)
    RECONCILER_PROMOTED.inc(len(promoted))
    if promoted:
        keys = [(coupon_id, user_id) for user_id in promoted]
        log_requests("promoted from the standby list", keys, logging.INFO)
    return bool(promoted or not_eligible)
