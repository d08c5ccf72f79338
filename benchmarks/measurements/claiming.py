"""Claims accepted and issued a second, and the delay from request to ISSUED."""

import statistics
import time
from typing import NamedTuple

import psycopg

from benchmarks.harness.target import Target
from benchmarks.load.claims import claim_requests, generate, new_users
from benchmarks.load.coupons import create_coupon
from benchmarks.load.issued import await_issued, issued_count
from benchmarks.load.long_polls import long_polls_of_new_requests, open_long_polls
from benchmarks.load.rounds import (
    CONNECTIONS,
    DRAIN_SECONDS,
    FASTEST_PER_SECOND,
    WARM_UP_SECONDS,
    Delay,
    open_round,
)
from benchmarks.load.wrk import wrk_claims_per_second
from coupons.gate import connect_gate
from coupons.gate.delays import percentile, watched_delays
from stack.disposable import DisposableStack


class Compared(NamedTuple):
    """Claims a second of two settings in turn (A B A B …), and the ratio of their medians."""

    a: list[float]
    b: list[float]

    @property
    def ratio(self) -> float:
        """Median of A by median of B."""
        return statistics.median(self.a) / statistics.median(self.b)


class FullLoad(NamedTuple):
    """At full load: claims accepted and issued a second while the load ran, and the rest after it.

    left_at_end: accepted and not issued when the load ended. drained_in_s: until those were issued.
    """

    generator: str
    accepted_per_s: float
    issued_per_s: float
    left_at_end: int
    drained_in_s: float
    p50_ms: float
    p99_ms: float
    http_p99_ms: float | None


def closed_loop(stack: Target, seconds: float) -> float:
    """Claims accepted a second over 100 connections, no think time, every claim by a new user."""
    coupon_id = create_coupon(stack)
    requests = claim_requests(stack, coupon_id, new_users(int(seconds * FASTEST_PER_SECOND)))
    result = generate(stack, requests, CONNECTIONS, seconds)
    return result.statuses["202"] / result.seconds


def compare_long_polls(
    stack: DisposableStack, rounds: int, seconds: float, long_polls: int
) -> Compared:
    """Claims a second with that many long polls open (A) and with none (B); no consumer runs."""
    rates: tuple[list[float], list[float]] = ([], [])
    stack.stop("consumer-1")
    waiting = long_polls_of_new_requests(stack, long_polls)
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
        generator="wrk" if with_wrk else "our own generator",
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
    users = iter(new_users(int(rate * seconds)))
    gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
    with psycopg.connect(stack.database_url("ops"), autocommit=True) as connection:
        return open_round(stack, connection, gate, [coupon_id], users, rate, seconds)


def _accepted_count(connection: psycopg.Connection, coupon_id: int) -> int:
    row = connection.execute(
        "SELECT count(*) FROM coupon_issue_request WHERE coupon_id = %s", [coupon_id]
    ).fetchone()
    assert row is not None
    return int(row[0])
