"""All designs side by side: in rounds that take turns, on one stack, under the same load."""

import time
from dataclasses import dataclass, field

import psycopg

from benchmarks.claiming import CONNECTIONS, FASTEST_PER_SECOND
from benchmarks.embedded import EmbeddedStack
from benchmarks.load import claim_requests, create_coupon, generate, issued_count, new_users
from benchmarks.running import Target
from benchmarks.strategies.peers import running_peers

WARM_UP_SECONDS = 2.0
ALL_ISSUED_WITHIN_SECONDS = 120.0
_POLL_SECONDS = 0.05


@dataclass
class Side:
    """What one design did. accepted_per_s: of each round. latencies_ms: of the answers.

    behind_s: how long after each round's load the last coupon was issued.
    """

    accepted_per_s: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    behind_s: list[float] = field(default_factory=list)
    accepted: int = 0
    issued: int = 0
    failed: int = 0


def compare_strategies(stack: EmbeddedStack, rounds: int, seconds: float) -> dict[str, Side]:
    """100 connections, no think time, every claim by a new user; by the design's name."""
    with (
        running_peers(stack) as targets,
        psycopg.connect(stack.database_url("ops"), autocommit=True) as connection,
    ):
        sides = {name: Side() for name in targets}
        for target in targets.values():
            _round(target, connection, Side(), WARM_UP_SECONDS)
        for _ in range(rounds):
            for name, target in targets.items():
                _round(target, connection, sides[name], seconds)
    return sides


def _round(target: Target, connection: psycopg.Connection, side: Side, seconds: float) -> None:
    coupon_id = create_coupon(target)
    requests = claim_requests(target, coupon_id, new_users(int(seconds * FASTEST_PER_SECOND)))
    result = generate(target, requests, CONNECTIONS, seconds)
    accepted = result.statuses["202"]
    ended = time.monotonic()
    issued = issued_count(connection, coupon_id)
    while issued < accepted and time.monotonic() < ended + ALL_ISSUED_WITHIN_SECONDS:
        time.sleep(_POLL_SECONDS)
        issued = issued_count(connection, coupon_id)
    side.accepted_per_s.append(accepted / result.seconds)
    side.latencies_ms += result.latencies_ms
    side.behind_s.append(time.monotonic() - ended)
    side.accepted += accepted
    side.issued += issued
    side.failed += sum(result.statuses.values()) - accepted
