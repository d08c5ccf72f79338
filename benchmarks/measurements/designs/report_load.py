"""The report's load: 100 connections claim, wait 0.1 s, and claim again for a user at random."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks.harness.usage import CpuClock
from benchmarks.load.claims import generate
from benchmarks.load.coupons import create_coupon
from benchmarks.load.crowd import USERS_OF_THE_REPORT, Crowd
from benchmarks.load.generator import Result
from benchmarks.load.issued import await_all_issued
from benchmarks.load.k6 import Figures, run_k6
from benchmarks.strategies.running import Design
from coupons.gate.delays import percentile

VIRTUAL_USERS = 100
PAUSE_SECONDS = 0.1


class ReportRound(NamedTuple):
    """issued: of the accepted claims. cpu_s: by process, until all were issued."""

    figures: Figures
    issued: int
    cpu_s: dict[str, float]


def report_round(
    design: Design,
    crowd: Crowd,
    connection: psycopg.Connection,
    k6: Path | None,
    seconds: float,
) -> ReportRound:
    """One coupon that never sells out, users drawn uniformly from 1 to 100,000.

    k6: the program that sends the load; None: our own generator.
    """
    coupon_id = create_coupon(design)
    tokens = crowd.tokens[:USERS_OF_THE_REPORT]
    clock = CpuClock(design.pids)
    if k6 is not None:
        url = f"{design.environment['COUPON_API_URL']}/coupons/{coupon_id}/issue-requests"
        figures = run_k6(k6, url, tokens, VIRTUAL_USERS, seconds, PAUSE_SECONDS)
    else:
        figures = figures_of(_generate(design, crowd, coupon_id, len(tokens), seconds))
    issued, _ = await_all_issued(connection, coupon_id, figures.accepted)
    return ReportRound(figures, issued, {**clock.seconds(), "generator": figures.cpu_s})


def _generate(design: Design, crowd: Crowd, coupon_id: int, users: int, seconds: float) -> Result:
    most = int(seconds * VIRTUAL_USERS / PAUSE_SECONDS)
    claims = crowd.claims(coupon_id, random.choices(range(1, users + 1), k=most))
    return generate(design, claims, VIRTUAL_USERS, seconds, pause_seconds=PAUSE_SECONDS)


def figures_of(result: Result) -> Figures:
    """Figures of our own generator, in k6's terms."""
    times: Sequence[float] = sorted(result.latencies_ms) or [0.0]
    p50, p90, p95, p99 = (percentile(times, at) or 0.0 for at in (50, 90, 95, 99))
    answered = sum(result.statuses.values())
    accepted, repeated = result.statuses["202"], result.statuses["200"]
    return Figures(
        requests_per_s=answered / result.seconds,
        average_ms=sum(times) / len(times),
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=times[-1],
        accepted=accepted,
        repeated=repeated,
        failed=answered - accepted - repeated,
        cpu_s=result.cpu_s,
    )
