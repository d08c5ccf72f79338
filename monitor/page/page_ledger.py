"""The questions of the page to Postgres: a few at a time, so that the other threads stay free."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from flask import abort

from coupons.endpoints import DATABASE_URL, Endpoints
from coupons.ledger.connection import Connection, connect_ledger

ANSWER_TIMEOUT_SECONDS = 3.0
AT_ONCE = 3
"""Each may wait for Postgres; the probes and metrics are answered by the same threads."""
TURN_SECONDS = 0.2
"""How long a question may wait for its turn: each of those before it takes milliseconds."""


class PageLedger:
    """Safe to share between threads. where: which system to ask. name: of the sessions."""

    def __init__(
        self,
        where: Endpoints,
        name: str = "coupon-monitor-page",
        at_once: int = AT_ONCE,
        answer_timeout_s: float = ANSWER_TIMEOUT_SECONDS,
        busy: str = "Others are waiting for Postgres.",
    ) -> None:
        self._where = where
        self._name = name
        self._questions = BoundedSemaphore(at_once)
        self._answer_timeout_s = answer_timeout_s
        self._busy = busy

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Raises LedgerUnavailable; answers 503 while others wait for Postgres."""
        if not self._questions.acquire(timeout=TURN_SECONDS):
            abort(503, f"{self._busy} Try again in a moment.")
        try:
            url = self._where[DATABASE_URL]
            with connect_ledger(url, self._name, self._answer_timeout_s) as connection:
                yield connection
        finally:
            self._questions.release()
