"""Charts of the comparison of the four designs."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measurements.designs.comparison import Compared
from benchmarks.results.svg import Point, line_chart, stacked_bars
from benchmarks.strategies.running import DESIGNS


def throughput_chart(found: Compared) -> str:
    """p95 of the response time by claims a second; one point for each number of connections."""
    series: dict[str, list[Point]] = {name: [] for name in DESIGNS}
    labels: dict[Point, str] = {}
    for (name, connections), rounds in found.closed.items():
        if name in series:
            rate = statistics.median(each.accepted_per_s for each in rounds)
            point = (rate, statistics.median(each.p95_ms for each in rounds))
            series[name].append(point)
            labels[point] = str(connections)
    title = "Response time by throughput; the numbers are connections"
    return line_chart(
        title, "claims/s answered with 202", "p95 of the response time, ms", series, labels
    )


def delay_chart(found: Compared) -> str:
    """p99 from request to ISSUED by rate, up to the rate at which a design is saturated."""
    series: dict[str, list[Point]] = {name: [] for name in DESIGNS}
    for (name, rate), rounds in found.opened.items():
        if not any(each.saturated for each in rounds):
            delay = statistics.median(each.issued_p99_ms for each in rounds)
            series[name].append((rate, delay))
    title = "From request to ISSUED at a fixed rate"
    return line_chart(title, "claims/s", "p99 from request to ISSUED, ms", series)


def cpu_chart(cpu: Mapping[str, Mapping[str, float]], load: str) -> str:
    """Processor seconds for 1,000 issued coupons, by process. cpu: by design and process."""
    return stacked_bars(f"Cost of 1,000 issued coupons: {load}", "processor seconds", cpu)


def save_charts(charts: Mapping[str, str], folder: Path) -> Sequence[Path]:
    """Write each to NAME.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.svg" for name in charts]
    for path, chart in zip(paths, charts.values(), strict=True):
        path.write_text(chart, "utf-8")
    return paths
