"""How many claims a second are accepted and issued, and how soon."""

import statistics
import time
from typing import NamedTuple

import psycopg

from benchmarks.load import (
    await_issued,
    claim_requests,
    create_coupon,
    generate,
    issued_count,
    new_users,
    wrk_claims_per_second,
)
from benchmarks.long_polls import open_long_polls, requests_in_flight
from benchmarks.running import Target
from coupons.gate import connect_gate
from coupons.gate.delays import percentile, watched_delays
from stack.disposable import DisposableStack

CONNECTIONS = 100
FASTEST_PER_SECOND = 12_000
"""Requests prepared for each second of a closed loop: more than any round can use."""
WARM_UP_SECONDS = 2.0
DRAIN_SECONDS = 120.0


class Compared(NamedTuple):
    """Claims a second of two settings in turn (A B A B …), and the ratio of their medians."""

    a: list[float]
    b: list[float]

    @property
    def ratio(self) -> float:
        """Median of A by median of B."""
        return statistics.median(self.a) / statistics.median(self.b)


class FullLoad(NamedTuple):
    """At full load: per second accepted and issued while the load ran, and what was left behind."""

    generator: str
    accepted_per_s: float
    issued_per_s: float
    left_at_end: int
    drained_in_s: float
    p50_ms: float
    p99_ms: float
    http_p99_ms: float | None


class Delay(NamedTuple):
    """From request to ISSUED at a fixed rate, in milliseconds."""

    rate: float
    answered: int
    p50_ms: float
    p99_ms: float
    http_p50_ms: float
    http_p99_ms: float


def closed_loop(stack: Target, seconds: float) -> float:
    """Accepted claims a second of 100 connections with no think time, each user new."""
    coupon_id = create_coupon(stack)
    requests = claim_requests(stack, coupon_id, new_users(int(seconds * FASTEST_PER_SECOND)))
    result = generate(stack, requests, CONNECTIONS, seconds)
    return result.statuses["202"] / result.seconds


def compare_long_polls(
    stack: DisposableStack, rounds: int, seconds: float, long_polls: int
) -> Compared:
    """Claims a second with that many long polls open (A) and none (B), while no consumer runs."""
    rates: tuple[list[float], list[float]] = ([], [])
    stack.stop("consumer-1")
    waiting = requests_in_flight(stack, long_polls)
    closed_loop(stack, WARM_UP_SECONDS)
    for _ in range(rounds):
        with open_long_polls(stack, waiting):
            rates[0].append(closed_loop(stack, seconds))
        rates[1].append(closed_loop(stack, seconds))
    stack.up()
    return Compared(*rates)


def measure_full_load(stack: Target, seconds: float, with_wrk: bool) -> FullLoad | None:
    """Everything on this machine, 100 connections, no think time; None where wrk is missing."""
    coupon_id = create_coupon(stack)
    most = int(seconds * FASTEST_PER_SECOND)
    gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
    requests = [] if with_wrk else claim_requests(stack, coupon_id, new_users(most))
    http_p99 = None
    with (
        psycopg.connect(stack.database_url("ops"), autocommit=True) as connection,
        watched_delays(gate) as delays_ms,
    ):
        if with_wrk:
            if wrk_claims_per_second(stack, coupon_id, CONNECTIONS, int(seconds), most) is None:
                return None
            took = seconds
        else:
            result = generate(stack, requests, CONNECTIONS, seconds)
            took, http_p99 = result.seconds, percentile(result.latencies_ms, 99)
        issued = issued_count(connection, coupon_id)
        accepted = _accepted_count(connection, coupon_id)
        ended = time.monotonic()
        await_issued(connection, [coupon_id], accepted, DRAIN_SECONDS)
        drained = time.monotonic() - ended
    return FullLoad(
        generator="wrk" if with_wrk else "benchmarks.generator",
        accepted_per_s=accepted / took,
        issued_per_s=issued / took,
        left_at_end=accepted - issued,
        drained_in_s=drained,
        p50_ms=percentile(delays_ms, 50) or 0.0,
        p99_ms=percentile(delays_ms, 99) or 0.0,
        http_p99_ms=http_p99,
    )


def measure_delay(stack: Target, rate: float, seconds: float) -> Delay:
    """From request to ISSUED at a fixed rate of claims a second, on a schedule (open loop)."""
    coupon_id = create_coupon(stack)
    requests = claim_requests(stack, coupon_id, new_users(int(rate * seconds)))
    gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
    with (
        psycopg.connect(stack.database_url("ops"), autocommit=True) as connection,
        watched_delays(gate) as delays_ms,
    ):
        result = generate(stack, requests, CONNECTIONS, seconds * 2, rate)
        await_issued(connection, [coupon_id], result.statuses["202"], DRAIN_SECONDS)
    return Delay(
        rate=rate,
        answered=result.statuses["202"],
        p50_ms=percentile(delays_ms, 50) or 0.0,
        p99_ms=percentile(delays_ms, 99) or 0.0,
        http_p50_ms=percentile(result.latencies_ms, 50) or 0.0,
        http_p99_ms=percentile(result.latencies_ms, 99) or 0.0,
    )


def _accepted_count(connection: psycopg.Connection, coupon_id: int) -> int:
    row = connection.execute(
        "SELECT count(*) FROM coupon_issue_request WHERE coupon_id = %s", [coupon_id]
    ).fetchone()
    assert row is not None
    return int(row[0])
