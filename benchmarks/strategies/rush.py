"""A rush: everybody presses at the same moment, and there are far fewer places than users."""

import time
from threading import Event, Thread
from typing import NamedTuple

import psycopg

from benchmarks.crowd import Crowd
from benchmarks.load import create_coupon, generate, issued_count
from benchmarks.strategies.peers import Design
from coupons.gate.delays import percentile
from coupons.ids import request_id

CONNECTIONS = 1_200
AT_ONCE_PER_SECOND = 1e9
LONG_POLL_SECONDS = 10
WITHIN_SECONDS = 120.0
_POLL_SECONDS = 0.005


class RushRound(NamedTuple):
    """Seconds from the press until half of the users, and all, know their result.

    all_issued_s: until the last place was issued; None: not all were. issued: coupons in the end,
    told: users who saw ISSUED; refused: users who were told that it is sold out.
    """

    half_know_s: float
    all_know_s: float
    all_issued_s: float | None
    issued: int
    told: int
    refused: int
    failed: int


def rush_round(
    design: Design, crowd: Crowd, connection: psycopg.Connection, users: int, places: int
) -> RushRound:
    """Each user claims once; who is accepted waits in long polls until the request is final."""
    coupon_id = create_coupon(design, places)
    pressing = crowd.users(users)
    ids = [str(request_id(coupon_id, user)) for user in pressing]
    watcher = _Watcher(connection, coupon_id, places)
    with watcher:
        result = generate(
            design,
            crowd.claims(coupon_id, pressing),
            CONNECTIONS,
            WITHIN_SECONDS,
            AT_ONCE_PER_SECOND,
            follow=crowd.long_polls(ids, pressing, LONG_POLL_SECONDS),
        )
    told, refused = result.outcomes["ISSUED"], result.outcomes["409"]
    done_at = watcher.done_at
    return RushRound(
        (percentile(result.known_ms, 50) or 0.0) / 1000,
        max(result.known_ms, default=0.0) / 1000,
        None if done_at is None else done_at - result.began,
        issued_count(connection, coupon_id),
        told,
        refused,
        users - told - refused,
    )


class _Watcher:
    """Notes when the last place was issued, in seconds since 1970."""

    def __init__(self, connection: psycopg.Connection, coupon_id: int, places: int) -> None:
        self.done_at: float | None = None
        self._look = (connection, coupon_id, places)
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        connection, coupon_id, places = self._look
        while self.done_at is None and not self._stop.wait(_POLL_SECONDS):
            if issued_count(connection, coupon_id) >= places:
                self.done_at = time.time()
