"""Every page and list that is generated, with the function that renders it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from docs.make import (
    alerts,
    architecture_figure,
    benchmark_summary,
    calls,
    chart,
    claim_figure,
    commands,
    licences,
    metrics,
    openapi,
    problems,
    settings,
    systemd,
)

DOCS = Path(__file__).parents[1]

GENERATED: dict[str, Callable[[], str]] = {
    "reference/cli.md": commands.render,
    "reference/calls.md": calls.render,
    "reference/openapi.json": openapi.render,
    "reference/problems.md": problems.render,
    "reference/settings.md": settings.render,
    "../coupons/process/variables.txt": settings.render_variables,
    "reference/metrics.md": metrics.render,
    "reference/alerts.md": alerts.render,
    "reference/licences.md": licences.render,
    "reference/chart.md": chart.render,
    "../deploy/chart/values.yaml": chart.render_values,
    "../deploy/chart/files/topics.json": chart.render_topics,
    **{f"../deploy/systemd/{name}": partial(systemd.render, name) for name in systemd.files()},
    "figures/way-of-a-claim.svg": claim_figure.render,
    "figures/rooms.svg": architecture_figure.render,
    "reference/benchmarks.md": benchmark_summary.render,
}
"""By path below docs/. A test renders each and compares it with the file."""


def write_all() -> None:
    """Write every generated page, and copy the charts of the benchmarks."""
    for path, render in GENERATED.items():
        (DOCS / path).write_text(render(), "utf-8")
    for path, text in benchmark_summary.charts().items():
        (DOCS / path).write_text(text, "utf-8")
