"""Rows of the tables about our own pipeline."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.load.rounds import Delay
from benchmarks.measurements.archiving import Archiving
from benchmarks.measurements.backlog import Backlog, Drained
from benchmarks.measurements.claiming import Compared, FullLoad
from benchmarks.measurements.costs import Turn
from benchmarks.measurements.gate_memory import Memory
from benchmarks.measurements.overload import Overload
from benchmarks.measurements.poison import Poison
from benchmarks.measurements.rebuild import Rebuild
from benchmarks.measurements.tracing import TracingCost
from benchmarks.measurements.uses import Uses


def compared_rows(name_a: str, name_b: str, found: Compared) -> list[list[object]]:
    """A row for A and a row for B: median, spread and ratio."""
    return [
        [name, f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}", ratio]
        for name, rates, ratio in (
            (name_a, found.a, f"**{found.ratio:.2f}**"),
            (name_b, found.b, "1"),
        )
    ]


def delay_rows(found: Sequence[Delay]) -> list[list[object]]:
    """One row for each rate."""
    return [
        [
            f"{each.rate:,.0f}",
            f"{each.answered:,}",
            f"{each.p50_ms:.0f}",
            f"{each.p99_ms:.0f}",
            f"{each.http_p50_ms:.1f}",
            f"{each.http_p99_ms:.1f}",
        ]
        for each in found
    ]


def full_load_rows(found: Sequence[FullLoad]) -> list[list[object]]:
    """One row for each load generator."""
    return [
        [
            each.generator,
            f"{each.accepted_per_s:,.0f}",
            f"{each.issued_per_s:,.0f}",
            f"{each.left_at_end:,} in {each.drained_in_s:.1f} s",
            f"{each.p50_ms:.0f}",
            f"{each.p99_ms:.0f}",
            "-" if each.http_p99_ms is None else f"{each.http_p99_ms:.0f}",
        ]
        for each in found
    ]


def backlog_rows(found: Backlog) -> list[list[object]]:
    """One row."""
    return [
        [
            f"{found.events:,}",
            f"{found.events_per_s:,.0f}",
            f"{found.resident_mib:.0f}",
            f"{found.streamed_per_s:,.0f}",
        ]
    ]


def poison_rows(found: Poison) -> list[list[object]]:
    """A row without and a row with the poison record."""
    clean = statistics.median(found.clean_ms)
    return [
        [name, f"{median:.0f}", f"{min(times):.0f} to {max(times):.0f}", added]
        for name, times, median, added in (
            ("all can be issued", found.clean_ms, clean, "-"),
            (
                "one violates a constraint",
                found.poisoned_ms,
                statistics.median(found.poisoned_ms),
                f"**{statistics.median(found.poisoned_ms) - clean:.0f}**",
            ),
        )
    ]


def drain_rows(found: Drained) -> list[list[object]]:
    """One row."""
    return [
        [
            f"{found.rows:,}",
            f"{found.rows_per_s:,.0f}",
            f"{found.start_seconds:.1f}",
            f"{found.in_all_seconds:.1f}",
        ]
    ]


def memory_rows(found: Sequence[Memory]) -> list[list[object]]:
    """One row for each kind of user ids."""
    return [
        [each.ids, f"{each.users:,}", f"{each.used:.1f}", f"{each.resident:.1f}"] for each in found
    ]


def rebuild_rows(found: Sequence[Rebuild]) -> list[list[object]]:
    """One row for each round."""
    return [
        [
            f"{each.requests:,}",
            f"{each.seconds:.1f}",
            f"{each.rows_per_s:,.0f}",
            f"{each.peak_mib:.0f}",
            f"{each.idle_mib:.0f}",
        ]
        for each in found
    ]


def archiving_rows(found: Sequence[Archiving]) -> list[list[object]]:
    """One row for each round."""
    return [
        [
            f"{each.users:,}",
            f"{each.archive_s:.2f}",
            f"{each.forget_s:.2f}",
            f"{each.loaded_mib:.1f}",
            f"{each.left_mib:.1f}",
            f"{each.quiet.p50_ms:.2f}",
            f"{each.quiet.p99_ms:.2f}",
            f"{each.meanwhile.p50_ms:.2f}",
            f"{each.meanwhile.p99_ms:.2f}",
            f"{each.meanwhile.most_ms:.2f}",
        ]
        for each in found
    ]


def tracing_rows(found: Sequence[TracingCost]) -> list[list[object]]:
    """One row for each process and ratio."""
    return [
        [
            cost.process,
            f"{ratio:.0%}",
            f"{statistics.median(us):.1f}",
            f"{min(us):.1f}",
            f"{cost.added(ratio):+.1%}" if ratio else "-",
        ]
        for cost in found
        for ratio, us in cost.us.items()
    ]


COST_HEAD = ["variant", "claims/s", "spread", "ratio", "all, µs", "ratio", "µs by process"]


def cost_rows(found: Mapping[str, Sequence[Turn]]) -> list[list[object]]:
    """One row for each variant, with its ratios to the first one: medians of its turns."""
    rows: list[list[object]] = []
    first: tuple[float, float] | None = None
    for name, turns in found.items():
        rates = [turn.claims_per_s for turn in turns]
        rate, cost = statistics.median(rates), statistics.median(turn.all_us for turn in turns)
        first = first or (rate, cost)
        by_part = {
            part: statistics.median(turn.us.get(part, 0.0) for turn in turns)
            for part in turns[0].us
        }
        rows.append(
            [
                name,
                f"{rate:,.0f}",
                f"{min(rates):,.0f} to {max(rates):,.0f}",
                f"**{rate / first[0]:.2f}**",
                f"{cost:.0f}",
                f"**{cost / first[1]:.2f}**",
                ", ".join(
                    f"{part} {us:.1f}"
                    for part, us in sorted(by_part.items(), key=lambda each: -each[1])
                ),
            ]
        )
    return rows


OVERLOAD_HEAD = [
    "connections",
    "claims/s at best",
    "accepted/s",
    "of the best",
    "refused/s",
    "errors",
    "p50",
    "p99 of the accepted, ms",
    "API, MiB before",
    "in it",
    "normal after, s",
]


def overload_rows(found: Sequence[Overload]) -> list[list[object]]:
    """One row for each flood."""
    return [
        [
            f"{each.connections:,}",
            f"{each.best_per_s:,.0f}",
            f"{each.accepted_per_s:,.0f}",
            f"**{each.accepted_per_s / each.best_per_s:.2f}**",
            f"{each.refused_per_s:,.0f}",
            each.errors,
            *("-" if ms is None else f"{ms:.0f}" for ms in (each.p50_ms, each.p99_ms)),
            *(f"{mib:.0f}" for mib in each.mib),
            each.normal_after_s,
        ]
        for each in found
    ]


def use_rows(found: Sequence[Uses]) -> list[list[object]]:
    """One row for each round."""
    return [
        [f"{each.answered:,}", f"{each.per_s:,.0f}", f"{each.p50_ms:.0f}", f"{each.p99_ms:.0f}"]
        for each in found
    ]
