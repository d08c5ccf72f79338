"""What a claim costs at full load: processor time by process, variants in turns on one stack.

A variant has other settings for the project's own processes, or runs them from other source, such
as an older commit. Postgres, Valkey, Kafka and Connect run on; their time differs all the same,
because what they do for a claim depends on how claims come.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks.harness.progress import progress
from benchmarks.harness.target import Target
from benchmarks.harness.usage import CpuClock
from benchmarks.load.coupons import create_coupon
from benchmarks.load.issued import await_issued
from benchmarks.load.rounds import CONNECTIONS, DRAIN_SECONDS, FASTEST_PER_SECOND
from benchmarks.load.wrk import wrk_claims_per_second
from stack.disposable import DisposableStack

APPLICATIONS = ("api", "consumer-1", "reconciler", "monitor")
SERVERS = ("postgres", "valkey", "kafka", "connect")
_UNCOUNTED = Path(__file__).parent / "uncounted"
"""A folder for PYTHONPATH: processes that find it count nothing."""


class Variant(NamedTuple):
    """settings: of its processes. source: the folder that they run from, if it is not this one.
    without: parts of the stack that it does not have."""

    name: str
    settings: Mapping[str, str] = {}
    source: Path | None = None
    without: Sequence[str] = ()


class Turn(NamedTuple):
    """claims_per_s: answered while the load ran. us: microseconds of one core an issued coupon."""

    claims_per_s: float
    us: Mapping[str, float]

    @property
    def all_us(self) -> float:
        """The sum over all processes."""
        return sum(self.us.values())


def observed_variants(collector: str) -> list[Variant]:
    """Without metrics, logs of requests and monitor; with all of them; with tracing of 1% too."""
    logs = {"COUPON_LOG_REQUESTS": "true"}
    tracing = {"COUPON_TRACE_ENDPOINT": collector, "COUPON_TRACE_SAMPLE_RATIO": "0.01"}
    return [
        Variant("nothing", {"PYTHONPATH": str(_UNCOUNTED)}, without=["monitor"]),
        Variant("metrics, logs of requests, monitor", logs),
        Variant("and tracing of 1%", {**logs, **tracing}),
    ]


def measure_costs(
    stack: DisposableStack, variants: Sequence[Variant], turns: int, seconds: int
) -> dict[str, list[Turn]]:
    """Every variant once in each turn. Needs wrk: 100 connections, each claim by a new user.

    A first turn, which warms up the servers, does not count. The order changes from turn to turn.
    Afterwards the stack runs as it did before.
    """
    found: dict[str, list[Turn]] = {variant.name: [] for variant in variants}
    try:
        for turn in range(turns + 1):
            first = turn % len(variants)
            for variant in [*variants[first:], *variants[:first]]:
                progress(f"cost: turn {turn} of {turns}: {variant.name}")
                measured = _turn(stack, variant, seconds)
                if turn:
                    found[variant.name].append(measured)
    finally:
        stack.source = None  # a variant's source may be gone when the stack is removed
    _start(stack, Variant("as before"))
    return found


def _start(stack: DisposableStack, variant: Variant) -> None:
    """Run the project's own processes as this variant has them."""
    stack.stop(*reversed(APPLICATIONS))
    stack.source = variant.source
    stack.up(variant.settings)
    stack.stop(*variant.without)


def _turn(stack: DisposableStack, variant: Variant, seconds: int) -> Turn:
    _start(stack, variant)
    parts = [part for part in (*APPLICATIONS, *SERVERS) if part not in variant.without]
    coupon_id = create_coupon(stack)
    with psycopg.connect(stack.database_url("ops"), autocommit=True) as connection:
        _load(stack, connection, create_coupon(stack), 2)
        clock = CpuClock(lambda: {part: stack.pid(part) for part in parts})
        rate, issued = _load(stack, connection, coupon_id, seconds)
        used = clock.seconds()
    return Turn(rate, {name: spent * 1e6 / issued for name, spent in used.items()})


def _load(
    stack: Target, connection: psycopg.Connection, coupon_id: int, seconds: int
) -> tuple[float, int]:
    """Claims a second, and how many were issued in the end."""
    most = seconds * FASTEST_PER_SECOND
    rate = wrk_claims_per_second(stack, coupon_id, CONNECTIONS, seconds, most)
    assert rate is not None, "wrk is missing"
    [accepted] = connection.execute(
        "SELECT count(*) FROM coupon_issue_request WHERE coupon_id = %s", [coupon_id]
    ).fetchone() or (0,)
    await_issued(connection, [coupon_id], accepted, DRAIN_SECONDS)
    return rate, accepted
