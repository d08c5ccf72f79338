"""Short rounds of claims on given coupons; each waits until all its claims are issued."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple

import psycopg

from benchmarks.harness.target import Target
from benchmarks.load.bulk import USERS_BELOW
from benchmarks.load.claims import claim_requests, generate
from benchmarks.load.issued import await_issued, issued_count
from coupons.gate import Gate
from coupons.gate.delays import percentile, watched_delays

CONNECTIONS = 100
FASTEST_PER_SECOND = 12_000
"""Requests prepared for each second of a closed loop: more than any round can use."""
WARM_UP_SECONDS = 2.0
DRAIN_SECONDS = 120.0

Users = Iterator[int]


class Delay(NamedTuple):
    """At a fixed rate: from request to ISSUED, and from request to response, in milliseconds."""

    rate: float
    answered: int
    p50_ms: float
    p99_ms: float
    http_p50_ms: float
    http_p99_ms: float


def odd_users(seed: int) -> Users:
    """Random odd numbers, none twice: users without a request in a past that `bulk` wrote."""
    chosen = random.Random(seed)
    known: set[int] = set()
    while True:
        user = chosen.randrange(1, USERS_BELOW, 2)
        if user not in known:
            known.add(user)
            yield user


def closed_round(
    stack: Target,
    connection: psycopg.Connection,
    coupon_ids: Sequence[int],
    users: Users,
    seconds: float,
    read: Callable[[], None] = lambda: None,
) -> tuple[int, float]:
    """Claims accepted and seconds, 100 connections, no think time; returns when all are issued.

    read: called just before the first claim and after the last coupon is issued.
    """
    requests = _prepare(stack, coupon_ids, users, int(seconds * FASTEST_PER_SECOND))
    before = issued_count(connection, *coupon_ids)
    read()
    result = generate(stack, requests, CONNECTIONS, seconds)
    accepted = result.statuses["202"]
    await_issued(connection, coupon_ids, before + accepted, DRAIN_SECONDS)
    read()
    return accepted, result.seconds


def open_round(
    stack: Target,
    connection: psycopg.Connection,
    gate: Gate,
    coupon_ids: Sequence[int],
    users: Users,
    rate: float,
    seconds: float,
) -> Delay:
    """Claims at a fixed rate a second, on a schedule; returns when all are issued."""
    requests = _prepare(stack, coupon_ids, users, int(rate * seconds))
    before = issued_count(connection, *coupon_ids)
    with watched_delays(gate) as delays_ms:
        result = generate(stack, requests, CONNECTIONS, seconds * 2, rate)
        accepted = result.statuses["202"]
        await_issued(connection, coupon_ids, before + accepted, DRAIN_SECONDS)
    issued_p50, issued_p99 = (percentile(delays_ms, at) or 0.0 for at in (50, 99))
    http_p50, http_p99 = (percentile(result.latencies_ms, at) or 0.0 for at in (50, 99))
    return Delay(rate, accepted, issued_p50, issued_p99, http_p50, http_p99)


def _prepare(stack: Target, coupon_ids: Sequence[int], users: Users, how_many: int) -> list[str]:
    """That many claims, the coupons by turns."""
    turns = islice(cycle(coupon_ids), how_many)
    return [
        claim_requests(stack, coupon, [user])[0] for coupon, user in zip(turns, users, strict=False)
    ]
