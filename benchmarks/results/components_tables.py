"""Rows of the tables of ceilings and growth."""

from collections.abc import Sequence

from benchmarks.measurements.ceilings import Ceilings, Component
from benchmarks.measurements.growth import Point
from benchmarks.measurements.plans import BATCH, Plan
from benchmarks.measurements.scaling import Scaled

CEILINGS_HEAD = (
    "component",
    "items/s",
    "µs of one core per item",
    "share of the budget",
    "by part, µs",
)
POINT_HEAD = (
    "accepted/s, median",
    "spread",
    "p50 at 500/s, ms",
    "p99",
    "WAL bytes a claim",
    "Redis, MiB",
)
SCALED_HEAD = ("partitions", "consumers", "events/s", "µs of the consumers per event")
PLAN_HEAD = (
    "requests in the table",
    "statement",
    "blocks of 8 KiB a claim",
    f"ms, {BATCH} claims",
    "read from end to end",
)


def ceiling_rows(found: Ceilings) -> list[list[object]]:
    """Full load first, then one row for each component."""
    return [_component(each, found.budget_us) for each in (found.full_load, *found.alone)]


def _component(each: Component, budget_us: float) -> list[object]:
    spent = sorted(each.microseconds.items(), key=lambda part: -part[1])
    return [
        each.name,
        f"{each.per_s:,.0f}",
        f"{each.cost_us:.1f}",
        f"{each.cost_us / budget_us:.1%}",
        ", ".join(f"{part} {us:.1f}" for part, us in spent if us >= 0.05),
    ]


def point_rows(found: Sequence[Point]) -> list[list[object]]:
    """One row for each size."""
    return [
        [
            f"{each.size:,}",
            f"{each.median_per_s:,.0f}",
            f"{min(each.accepted_per_s):,.0f} to {max(each.accepted_per_s):,.0f}",
            f"{each.p50_ms:.0f}",
            f"{each.p99_ms:.0f}",
            f"{each.wal_bytes:,.0f}",
            f"{each.gate_mib:,.0f}",
        ]
        for each in found
    ]


def scaled_rows(found: Sequence[Scaled]) -> list[list[object]]:
    """One row for each backlog."""
    return [
        [each.partitions, each.consumers, f"{each.events_per_s:,.0f}", f"{each.cost_us:.0f}"]
        for each in found
    ]


def plan_rows(found: Sequence[Plan]) -> list[list[object]]:
    """One row for each statement and size."""
    return [
        [
            f"{each.requests:,}",
            f"`{each.statement}`",
            f"{each.blocks:.1f}",
            f"{each.ms:.1f}",
            ", ".join(sorted(each.scanned)) or "nothing",
        ]
        for each in found
    ]
