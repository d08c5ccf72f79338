"""Short rounds of claims on given coupons, each drained before the next begins."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice

import psycopg

from benchmarks.bulk import USERS_BELOW
from benchmarks.claiming import CONNECTIONS, DRAIN_SECONDS, FASTEST_PER_SECOND
from benchmarks.load import await_issued, claim_requests, generate, issued_count
from benchmarks.running import Target
from coupons.gate import Gate
from coupons.gate.delays import percentile, watched_delays

Users = Iterator[int]


def odd_users(seed: int) -> Users:
    """Random odd numbers, none twice: users who were not among those of a coupon's past."""
    chosen = random.Random(seed)
    known: set[int] = set()
    while True:
        user = chosen.randrange(1, USERS_BELOW, 2)
        if user not in known:
            known.add(user)
            yield user


def prepare(stack: Target, coupon_ids: Sequence[int], users: Users, how_many: int) -> list[str]:
    """That many claims, the coupons by turns."""
    turns = islice(cycle(coupon_ids), how_many)
    return [
        claim_requests(stack, coupon, [user])[0] for coupon, user in zip(turns, users, strict=False)
    ]


def closed_round(
    stack: Target,
    connection: psycopg.Connection,
    coupon_ids: Sequence[int],
    users: Users,
    seconds: float,
    look: Callable[[], None] = lambda: None,
) -> tuple[int, float]:
    """Claims accepted and seconds, 100 connections, no think time; returns when all are issued.

    look: called just before the first claim and after the last coupon is issued.
    """
    requests = prepare(stack, coupon_ids, users, int(seconds * FASTEST_PER_SECOND))
    before = issued_count(connection, *coupon_ids)
    look()
    result = generate(stack, requests, CONNECTIONS, seconds)
    accepted = result.statuses["202"]
    await_issued(connection, coupon_ids, before + accepted, DRAIN_SECONDS)
    look()
    return accepted, result.seconds


def delays_ms(
    stack: Target,
    connection: psycopg.Connection,
    gate: Gate,
    coupon_ids: Sequence[int],
    users: Users,
    rate: float,
    seconds: float,
) -> tuple[float, float]:
    """From request to ISSUED at a fixed rate: p50 and p99 in milliseconds."""
    requests = prepare(stack, coupon_ids, users, int(rate * seconds))
    before = issued_count(connection, *coupon_ids)
    with watched_delays(gate) as seen:
        result = generate(stack, requests, CONNECTIONS, seconds * 2, rate)
        await_issued(connection, coupon_ids, before + result.statuses["202"], DRAIN_SECONDS)
    return percentile(seen, 50) or 0.0, percentile(seen, 99) or 0.0
