"""Closed loop, no think time, every claim by a new user: throughput and response time."""

from typing import NamedTuple

import psycopg

from benchmarks.harness.usage import CpuClock, resident_mib
from benchmarks.load.claims import generate
from benchmarks.load.coupons import create_coupon
from benchmarks.load.crowd import Crowd
from benchmarks.load.issued import await_all_issued
from benchmarks.load.rounds import FASTEST_PER_SECOND
from benchmarks.strategies.running import Design
from coupons.gate.delays import percentile


class ClosedRound(NamedTuple):
    """Claims answered 202 a second, response times in milliseconds, and results of the claims.

    behind_s: from the end of the load to the last issued coupon. cpu_s: processor seconds by
    process, until then. resident_mib: by process, at the end.
    """

    accepted_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    accepted: int
    issued: int
    failed: int
    behind_s: float
    cpu_s: dict[str, float]
    resident_mib: dict[str, float]


def closed_round(
    design: Design,
    crowd: Crowd,
    connection: psycopg.Connection,
    connections: int,
    seconds: float,
    with_memory: bool = False,
) -> ClosedRound:
    """Each connection claims again after each response, on a coupon that never sells out."""
    coupon_id = create_coupon(design)
    users = crowd.users(int(seconds * FASTEST_PER_SECOND))
    requests = crowd.claims(coupon_id, users)
    clock = CpuClock(design.pids)
    result = generate(design, requests, connections, seconds)
    accepted = result.statuses["202"]
    issued, behind_s = await_all_issued(connection, coupon_id, accepted)
    p50, p95, p99 = (percentile(result.latencies_ms, at) or 0.0 for at in (50, 95, 99))
    return ClosedRound(
        accepted / result.seconds,
        p50,
        p95,
        p99,
        accepted,
        issued,
        sum(result.statuses.values()) - accepted,
        behind_s,
        {**clock.seconds(), "generator": result.cpu_s},
        resident_mib(design.pids()) if with_memory else {},
    )
