"""Compares the designs part by part, and writes tables and charts of what was found."""

from collections.abc import Callable, Collection, Mapping

from benchmarks.machine import describe_machine
from benchmarks.progress import progress
from benchmarks.report import RESULTS, Report
from benchmarks.strategies import plots, rows
from benchmarks.strategies.comparing import (
    COMPARED_AT,
    FULL,
    QUICK,
    Compared,
    Comparison,
    comparison,
)
from benchmarks.strategies.peers import DESIGNS, OURS
from stack.disposable import DisposableStack

PARTS = ("report-load", "closed-loop", "open-loop", "rush", "kills")


def compare_designs(stack: DisposableStack, wanted: Collection[str], quick: bool) -> None:
    """Run the wanted parts; keep what a full run of all of them found in benchmarks/results.

    Other runs write to benchmarks/results/quick, which is not kept in the repository.
    """
    extent = QUICK if quick else FULL
    whole = not quick and set(PARTS) <= set(wanted)
    folder = RESULTS if whole else RESULTS / "quick"
    report = Report()
    report.add("# Four designs side by side", f"Measured on {describe_machine()}.")
    with comparison(stack, extent) as (running, one_insert):
        running.warm_up(one_insert)
        if "report-load" in wanted:
            running.report_load()
            _show_report_load(report, running)
        if "closed-loop" in wanted:
            running.closed_loop(one_insert)
            _show_closed_loop(report, running.found)
        if "open-loop" in wanted:
            running.open_loop()
            _show_open_loop(report, running.found)
        if "rush" in wanted:
            running.rush()
            _show_rush(report, running.found, extent.rush_users, extent.rush_places)
        if "kills" in wanted:
            running.kills()
            _show_kills(report, running.found)
        charts = _show_costs(report, running) | _charts(running.found)
    written = [report.save("designs", folder), *plots.save_charts(charts, folder)]
    progress(f"written: {', '.join(str(each) for each in written)}")


def _show_report_load(report: Report, running: Comparison) -> None:
    found = running.found
    generator = "k6" if running.k6 else "our own generator"
    report.add(f"## The report's load, by {generator}")
    columns = ["requests/s", "average", "p90", "p95", "p99", "max, ms"]
    report.table(
        ["design", *columns, "errors", "accepted", "issued"], rows.report_rows(found.report)
    )
    report.add("Times better than the report's best column:")
    head = ["design", "requests/s", "average", "p90", "p95", "max"]
    report.table(head, rows.report_ratio_rows(found.report))


def _show_closed_loop(report: Report, found: Compared) -> None:
    report.add("## Closed loop, no think time, new users: claims/s answered with 202")
    report.table(["connections", *DESIGNS], rows.closed_rows(found, "rate"))
    report.add("The answers' p50 / p95 / p99, ms:")
    report.table(["connections", *DESIGNS], rows.closed_rows(found, "times"))
    report.add(f"## {COMPARED_AT} connections: {OURS} by the others")
    head = ["design", "claims/s", f"{OURS} by it", "aim", "accepted", "issued", "failed"]
    report.table([*head, "all issued after, s"], rows.compared_rows(found))


def _show_open_loop(report: Report, found: Compared) -> None:
    report.add("## Open loop: from request to ISSUED seen by a client, p50 / p99, ms")
    report.table(["claims/s", *DESIGNS], rows.open_rows(found))


def _show_rush(report: Report, found: Compared, users: int, places: int) -> None:
    report.add(f"## A rush: {users:,} users, {places:,} places")
    times = ["half know, s", "all know, s", "all places issued, s"]
    head = ["design", *times, "issued", "told ISSUED", "told sold out", "failed"]
    report.table(head, rows.rush_rows(found.rush))


def _show_kills(report: Report, found: Compared) -> None:
    report.add("## Faults in the middle of a load of 100 connections")
    head = ["design", "fault", "accepted", "other answers", "issued", "lost", "double"]
    report.table([*head, "ISSUED without a row", "back after, s"], rows.kill_rows(found.kills))


def _show_costs(report: Report, running: Comparison) -> dict[str, str]:
    found = running.found
    charts: dict[str, str] = {}
    closed = {name: found.closed[name, COMPARED_AT] for name in DESIGNS if found.closed}
    for title, rounds, name in (
        ("the report's load", found.report, "cpu-report-load"),
        (f"{COMPARED_AT} connections, no think time", closed, "cpu-full-load"),
    ):
        if rounds:
            cpu = _cpu(rounds)
            report.add(f"## Processor seconds for 1,000 issued coupons: {title}")
            report.table(["process", *cpu], rows.part_rows(cpu, 2))
            charts[name] = plots.cpu_chart(cpu, title)
    if closed:
        memory = {name: rows.memory_of(rounds) for name, rounds in closed.items()}
        report.add("## Resident memory, MiB")
        report.table(["process", *memory], rows.part_rows(memory, 0))
    return charts


def _cpu(found: Mapping[str, Collection[rows.Measured]]) -> dict[str, dict[str, float]]:
    return {name: rows.cpu_of(list(rounds)) for name, rounds in found.items()}


def _charts(found: Compared) -> dict[str, str]:
    makers: dict[str, tuple[object, Callable[[Compared], str]]] = {
        "throughput": (found.closed, plots.throughput_chart),
        "delay": (found.opened, plots.delay_chart),
    }
    return {name: make(found) for name, (there, make) in makers.items() if there}
