"""Open loop: claims on a fixed schedule, and the delay until ISSUED."""

from typing import NamedTuple

import psycopg

from benchmarks.load.claims import generate
from benchmarks.load.coupons import create_coupon
from benchmarks.load.crowd import Crowd
from benchmarks.load.issued import await_all_issued
from benchmarks.load.rounds import CONNECTIONS
from benchmarks.strategies.running import Design
from coupons.gate import connect_gate
from coupons.gate.delays import percentile, watched_delays

KEPT_UP = 0.95
"""A design that answers a smaller share of the rate in time is saturated."""
SATURATED_MS = 2_000.0
_PATIENCE = 2.0


class OpenRound(NamedTuple):
    """Milliseconds since a request was admitted (issued_*) or due (http_*).

    answered_per_s: with 202. saturated: the design did not keep up with the rate.
    """

    rate: float
    answered_per_s: float
    issued_p50_ms: float
    issued_p99_ms: float
    http_p50_ms: float
    http_p99_ms: float
    accepted: int
    issued: int
    saturated: bool


def open_round(
    design: Design, crowd: Crowd, connection: psycopg.Connection, rate: float, seconds: float
) -> OpenRound:
    """Claims by new users at `rate` a second; the generator stops after twice the time."""
    coupon_id = create_coupon(design)
    requests = crowd.claims(coupon_id, crowd.users(int(rate * seconds)))
    gate = connect_gate(design.environment["COUPON_REDIS_URL"])
    with watched_delays(gate) as delays_ms:
        result = generate(design, requests, CONNECTIONS, seconds * _PATIENCE, rate)
        accepted = result.statuses["202"]
        issued, _ = await_all_issued(connection, coupon_id, accepted)
    answered_per_s = accepted / result.seconds
    issued_p50, issued_p99 = (percentile(delays_ms, at) or 0.0 for at in (50, 99))
    http_p50, http_p99 = (percentile(result.latencies_ms, at) or 0.0 for at in (50, 99))
    return OpenRound(
        rate,
        answered_per_s,
        issued_p50,
        issued_p99,
        http_p50,
        http_p99,
        accepted,
        issued,
        answered_per_s < rate * KEPT_UP or max(issued_p99, http_p99) > SATURATED_MS,
    )
