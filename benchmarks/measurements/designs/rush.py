"""A rush: all users claim at the same moment, and there are far fewer coupons than users."""

import time
from threading import Event, Thread
from typing import NamedTuple

import psycopg

from benchmarks.load.claims import generate
from benchmarks.load.coupons import create_coupon
from benchmarks.load.crowd import Crowd
from benchmarks.load.issued import issued_count
from benchmarks.strategies.running import Design
from coupons.gate.delays import percentile
from coupons.ids import request_id

CONNECTIONS = 1_200
AT_ONCE_PER_SECOND = 1e9
LONG_POLL_SECONDS = 10
WITHIN_SECONDS = 120.0
_POLL_SECONDS = 0.005


class RushRound(NamedTuple):
    """Seconds until half of the users (half_s) and all of them (all_s) have their result.

    all_issued_s: until the last coupon was issued; None: not all were. issued: coupons in the end.
    saw_issued: users whose long poll returned ISSUED. refused: users who got "sold out".
    """

    half_s: float
    all_s: float
    all_issued_s: float | None
    issued: int
    saw_issued: int
    refused: int
    failed: int


def rush_round(
    design: Design, crowd: Crowd, connection: psycopg.Connection, users: int, stock: int
) -> RushRound:
    """Each user claims once; an accepted user sends long polls until the request is final."""
    coupon_id = create_coupon(design, stock)
    claiming = crowd.users(users)
    ids = [str(request_id(coupon_id, user)) for user in claiming]
    watcher = _Watcher(connection, coupon_id, stock)
    with watcher:
        result = generate(
            design,
            crowd.claims(coupon_id, claiming),
            CONNECTIONS,
            WITHIN_SECONDS,
            AT_ONCE_PER_SECOND,
            follow=crowd.long_polls(ids, claiming, LONG_POLL_SECONDS),
        )
    saw_issued, refused = result.outcomes["ISSUED"], result.outcomes["409"]
    done_at = watcher.done_at
    return RushRound(
        (percentile(result.known_ms, 50) or 0.0) / 1000,
        max(result.known_ms, default=0.0) / 1000,
        None if done_at is None else done_at - result.began,
        issued_count(connection, coupon_id),
        saw_issued,
        refused,
        users - saw_issued - refused,
    )


class _Watcher:
    """Notes when the last coupon was issued, in seconds since 1970."""

    def __init__(self, connection: psycopg.Connection, coupon_id: int, stock: int) -> None:
        self.done_at: float | None = None
        self._connection, self._coupon_id, self._stock = connection, coupon_id, stock
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while self.done_at is None and not self._stop.wait(_POLL_SECONDS):
            if issued_count(self._connection, self._coupon_id) >= self._stock:
                self.done_at = time.time()
