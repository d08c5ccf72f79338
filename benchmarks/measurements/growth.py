"""Throughput, delay and cost of claims as coupons, users and tables grow."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from benchmarks.harness.progress import progress
from benchmarks.load.bulk import ROOM, checkpoint, forget_requests, write_past
from benchmarks.load.coupons import create_coupon
from benchmarks.load.rounds import WARM_UP_SECONDS, Users, closed_round, odd_users, open_round
from benchmarks.measurements.plans import Plan, explain_claims
from benchmarks.measurements.scaling import Scaled, measure_scaling
from coupons.gate import Gate, connect_gate
from stack.disposable import DisposableStack

DELAY_RATE = 500.0
"""Claims a second at which delays are measured: far from full load."""


@dataclass(frozen=True)
class Extent:
    """How much a run measures. seconds: of a closed loop. events: of a backlog.

    users: how many users each coupon has before its round; the table keeps all of them.
    largest_table: rows that the table gets at the end; None: it is not filled up. scaling: pairs of
    partitions of the topic and consumers that share a backlog.
    """

    rounds: int
    seconds: float
    coupons: Sequence[int]
    users: Sequence[int]
    largest_table: int | None
    scaling: Sequence[tuple[int, int]]
    events: int


@dataclass(frozen=True)
class Point:
    """At one size: claims accepted a second in each round, delays, and the cost of a claim.

    wal_bytes: of WAL for a claim, from request to issued coupon. gate_mib: memory of all of Redis.
    """

    size: int
    accepted_per_s: Sequence[float]
    p50_ms: float
    p99_ms: float
    wal_bytes: float
    gate_mib: float

    @property
    def median_per_s(self) -> float:
        """The median of accepted_per_s."""
        return statistics.median(self.accepted_per_s)


@dataclass(frozen=True)
class Growth:
    """One curve for each dimension, sizes ascending.

    plans: for claims on a new coupon, by requests in the table.
    """

    coupons: Sequence[Point]
    users: Sequence[Point]
    requests: Sequence[Point]
    scaling: Sequence[Scaled]
    plans: Sequence[Plan]


def measure_growth(stack: DisposableStack, extent: Extent) -> Growth:
    """Measure all curves. Empties and fills the tables: the stack is of no further use."""
    with psycopg.connect(stack.database_url("ops"), autocommit=True) as connection:
        gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
        rounds = _Rounds(stack, connection, gate, extent)
        coupons = _over_coupons(rounds, extent)
        scaling = measure_scaling(stack, extent.scaling, extent.events)
        # The reconciler would compare these coupons in the middle of a measurement.
        stack.stop("reconciler")
        forget_requests(stack)
        users, requests = _over_users_and_requests(rounds, extent)
    return Growth(coupons, users, requests, scaling, rounds.plans)


class _Rounds:
    """Measures points on a stack."""

    def __init__(
        self, stack: DisposableStack, connection: psycopg.Connection, gate: Gate, extent: Extent
    ) -> None:
        self.stack = stack
        self._connection = connection
        self._gate = gate
        self._extent = extent
        self._users: Users = odd_users(2)
        self.plans: list[Plan] = []
        closed_round(stack, connection, [create_coupon(stack)], self._users, WARM_UP_SECONDS)

    def point(self, size: int, coupon_ids: Sequence[int]) -> Point:
        """Measure claims by new users on these coupons, the coupons by turns."""
        stack, connection, users = self.stack, self._connection, self._users
        rates, claims = [], 0
        checkpoint(stack)
        wal = self._wal_bytes()
        for _ in range(self._extent.rounds):
            accepted, seconds = closed_round(
                stack, connection, coupon_ids, users, self._extent.seconds
            )
            rates.append(accepted / seconds)
            claims += accepted
        wal = self._wal_bytes() - wal
        delay = open_round(
            stack, connection, self._gate, coupon_ids, users, DELAY_RATE, self._extent.seconds
        )
        memory = self._gate.client.info("memory")["used_memory"]
        return Point(size, rates, delay.p50_ms, delay.p99_ms, wal / claims, memory / 2**20)

    def beside(self) -> Point:
        """Measure claims on a new coupon, with the table as it is."""
        size = self.requests_in_the_table()
        progress(f"growth: a new coupon beside {size:,} requests")
        coupon_id = create_coupon(self.stack, ROOM)
        point = self.point(size, [coupon_id])
        self.plans += explain_claims(self.stack.database_url("owner"), coupon_id, self._users, size)
        return point

    def requests_in_the_table(self) -> int:
        """How many requests the ledger has."""
        return self._number("SELECT count(*) FROM coupon_issue_request")

    def _wal_bytes(self) -> int:
        return self._number("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")

    def _number(self, statement: str) -> int:
        row = self._connection.execute(statement).fetchone()
        assert row is not None
        return int(row[0])


def _over_coupons(rounds: _Rounds, extent: Extent) -> list[Point]:
    points: list[Point] = []
    coupon_ids: list[int] = []
    for size in extent.coupons:
        progress(f"growth: claims spread over {size:,} coupons")
        coupon_ids += [create_coupon(rounds.stack, ROOM) for _ in range(size - len(coupon_ids))]
        points.append(rounds.point(size, coupon_ids))
    return points


def _over_users_and_requests(rounds: _Rounds, extent: Extent) -> tuple[list[Point], list[Point]]:
    """Claims on a coupon with many users, and on a new coupon in the same large table."""
    users, requests = [], []
    for size in extent.users:
        progress(f"growth: writing a coupon with {size:,} users")
        past = write_past(rounds.stack, size)
        progress(f"growth: written in {past.written_s:.0f} s, at the gate {past.loaded_s:.0f} s")
        users.append(rounds.point(size, [past.coupon_id]))
        requests.append(rounds.beside())
    if extent.largest_table:
        missing = extent.largest_table - rounds.requests_in_the_table()
        progress(f"growth: writing {missing:,} more requests")
        past = write_past(rounds.stack, missing, at_gate=False)
        progress(f"growth: written in {past.written_s:.0f} s")
        requests.append(rounds.beside())
    return users, requests
