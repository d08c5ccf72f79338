"""Rows of the tables that compare the four designs: medians over the rounds, with the spread."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Protocol

from benchmarks.measurements.designs.closed_loop import ClosedRound
from benchmarks.measurements.designs.comparison import COMPARED_AT, Compared
from benchmarks.measurements.designs.kills import Killed
from benchmarks.measurements.designs.report_load import ReportRound
from benchmarks.measurements.designs.rush import RushRound
from benchmarks.strategies.running import DESIGNS, ONE_INSERT, OURS

REPORT = {"requests/s": 312.0, "average": 73.52, "p90": 148.0, "p95": 202.73, "max": 620.52}
"""The best column of the report's table, times in milliseconds."""
AIMED_RATIOS = {ONE_INSERT: 2.5, "outbox": 1.5, "redis_kafka": 0.7}
"""Claims a second of ours by theirs, at 100 connections."""

Rows = list[list[object]]


class Measured(Protocol):
    """A round with its processor time."""

    @property
    def issued(self) -> int:
        """Issued coupons."""

    @property
    def cpu_s(self) -> dict[str, float]:
        """Processor seconds, by process."""


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and in brackets the minimum and maximum of more than one value."""
    median = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return median
    return f"{median} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def report_rows(found: Mapping[str, Sequence[ReportRound]]) -> Rows:
    """The report's columns, and more that it does not have."""
    known = [REPORT["requests/s"], REPORT["average"], REPORT["p90"], REPORT["p95"], "-"]
    rows: Rows = [["the report's best", *known, REPORT["max"], "5-6%", "-", "-"]]
    for name, rounds in found.items():
        figures = [each.figures for each in rounds]
        times = [
            spread([getattr(each, f"{column}_ms") for each in figures], 1)
            for column in ("average", "p90", "p95", "p99", "max")
        ]
        rows.append(
            [
                name,
                spread([each.requests_per_s for each in figures]),
                *times,
                f"{sum(each.failed for each in figures):,}",
                f"{sum(each.accepted for each in figures):,}",
                f"{sum(each.issued for each in rounds):,}",
            ]
        )
    return rows


def report_ratio_rows(found: Mapping[str, Sequence[ReportRound]]) -> Rows:
    """Ratios to the report's best column: 2.0 is twice the requests, or half the time."""
    rows: Rows = []
    for name, rounds in found.items():

        def median(column: str, rounds: Sequence[ReportRound] = rounds) -> float:
            return float(statistics.median(getattr(each.figures, column) for each in rounds))

        rows.append(
            [
                name,
                f"{median('requests_per_s') / REPORT['requests/s']:.1f}",
                *(
                    f"{REPORT[column] / median(f'{column}_ms'):.1f}"
                    for column in ("average", "p90", "p95", "max")
                ),
            ]
        )
    return rows


def closed_rows(found: Compared, cell: str) -> Rows:
    """One row for each number of connections, one column for each design.

    cell: "rate" or "times".
    """
    connections = sorted({connections for _, connections in found.closed})
    rows: Rows = []
    for number in connections:
        row: list[object] = [number]
        for name in DESIGNS:
            rounds = found.closed[name, number]
            if cell == "rate":
                row.append(spread([each.accepted_per_s for each in rounds]))
            else:
                row.append(_medians(rounds, ("p50_ms", "p95_ms", "p99_ms")))
        rows.append(row)
    return rows


def compared_rows(found: Compared) -> Rows:
    """At 100 connections: one row for each design, with the ratio of ours to it and the aim."""
    ours = [each.accepted_per_s for each in found.closed[OURS, COMPARED_AT]]
    rows: Rows = []
    for name in (*DESIGNS, ONE_INSERT):
        rounds = found.closed[name, COMPARED_AT]
        theirs = [each.accepted_per_s for each in rounds]
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        aim = AIMED_RATIOS.get(name)
        rows.append(
            [
                name,
                spread(theirs),
                "" if name == OURS else f"**{spread(ratios, 2)}**",
                "" if aim is None else f"{aim} or more",
                f"{sum(each.accepted for each in rounds):,}",
                f"{sum(each.issued for each in rounds):,}",
                f"{sum(each.failed for each in rounds):,}",
                spread([each.behind_s for each in rounds], 1),
            ]
        )
    return rows


def open_rows(found: Compared) -> Rows:
    """One row for each rate, one column for each design: p50 / p99 of the delay, or "saturated"."""
    rows: Rows = []
    for rate in sorted({rate for _, rate in found.opened}):
        row: list[object] = [f"{rate:,}"]
        for name in DESIGNS:
            rounds = found.opened.get((name, rate))
            if rounds is None:
                row.append("-")
                continue
            cell = _medians(rounds, ("issued_p50_ms", "issued_p99_ms"))
            if any(each.saturated for each in rounds):
                answered = statistics.median(each.answered_per_s for each in rounds)
                cell += f", saturated: {answered:,.0f}/s answered"
            row.append(cell)
        rows.append(row)
    return rows


def rush_rows(found: Mapping[str, Sequence[RushRound]]) -> Rows:
    """One row for each design."""
    return [
        [
            name,
            spread([each.half_s for each in rounds], 2),
            spread([each.all_s for each in rounds], 2),
            _all_issued(rounds),
            " ".join(sorted({f"{each.issued:,}" for each in rounds})),
            " ".join(sorted({f"{each.saw_issued:,}" for each in rounds})),
            " ".join(sorted({f"{each.refused:,}" for each in rounds})),
            f"{sum(each.failed for each in rounds):,}",
        ]
        for name, rounds in found.items()
    ]


def kill_rows(found: Sequence[Killed]) -> Rows:
    """One row for each fault."""
    return [
        [
            each.design,
            each.what,
            f"{each.accepted:,}",
            f"{each.errors:,}",
            f"{each.issued:,}",
            f"**{each.lost:,}**",
            f"{each.double:,}",
            f"{each.marked_without_row:,}",
            f"{each.down_s:.1f}",
        ]
        for each in found
    ]


def cpu_of(rounds: Sequence[Measured]) -> dict[str, float]:
    """Median processor seconds for 1,000 issued coupons, by process."""
    return _medians_by_part(
        [
            {part: seconds / max(1, each.issued) * 1000 for part, seconds in each.cpu_s.items()}
            for each in rounds
        ]
    )


def memory_of(rounds: Sequence[ClosedRound]) -> dict[str, float]:
    """Median resident MiB, by process."""
    return _medians_by_part([each.resident_mib for each in rounds])


def part_rows(found: Mapping[str, Mapping[str, float]], digits: int) -> Rows:
    """One row for each process, one column for each design, and a row with the sums."""
    parts = list(dict.fromkeys(part for each in found.values() for part in each))
    rows: Rows = [
        [part, *(f"{each[part]:.{digits}f}" if part in each else "-" for each in found.values())]
        for part in parts
    ]
    rows.append(["total", *(f"**{sum(each.values()):.{digits}f}**" for each in found.values())])
    return rows


def _medians(rounds: Sequence[object], columns: Sequence[str]) -> str:
    return " / ".join(
        f"{statistics.median(getattr(each, column) for each in rounds):,.1f}" for column in columns
    )


def _medians_by_part(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    parts = dict.fromkeys(part for each in rounds for part in each)
    return {part: statistics.median(each.get(part, 0.0) for each in rounds) for part in parts}


def _all_issued(rounds: Sequence[RushRound]) -> str:
    times = [each.all_issued_s for each in rounds if each.all_issued_s is not None]
    missing = len(rounds) - len(times)
    return spread(times, 2) + (f", never in {missing} rounds" if missing else "") if times else "-"
