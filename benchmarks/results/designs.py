"""Compares the four designs, and writes tables and charts of the results."""

from collections.abc import Callable, Collection, Mapping

from benchmarks.harness.progress import progress
from benchmarks.measurements.designs.comparison import (
    COMPARED_AT,
    FULL,
    QUICK,
    Compared,
    Comparison,
    comparison,
)
from benchmarks.results import designs_charts, designs_tables
from benchmarks.results.report import RESULTS, Report
from benchmarks.strategies.running import DESIGNS, OURS
from stack.disposable import DisposableStack
from stack.machine import describe_machine

PARTS = ("report-load", "closed-loop", "open-loop", "rush", "kills")


def compare_designs(stack: DisposableStack, wanted: Collection[str], quick: bool) -> None:
    """Run the wanted parts; a full run of all parts is stored in benchmarks/results.

    Other runs write to benchmarks/results/quick, which is not part of the repository.
    """
    extent = QUICK if quick else FULL
    complete = not quick and set(PARTS) <= set(wanted)
    folder = RESULTS if complete else RESULTS / "quick"
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
            _show_rush(report, running.found, extent.rush_users, extent.rush_stock)
        if "kills" in wanted:
            running.kills()
            _show_kills(report, running.found)
        charts = _show_costs(report, running) | _charts(running.found)
    written = [report.save("designs", folder), *designs_charts.save_charts(charts, folder)]
    progress(f"written: {', '.join(str(each) for each in written)}")


def _show_report_load(report: Report, running: Comparison) -> None:
    found = running.found
    generator = "k6" if running.k6 else "our own generator"
    report.add(f"## The report's load, by {generator}")
    columns = ["requests/s", "average", "p90", "p95", "p99", "max, ms"]
    report.table(
        ["design", *columns, "errors", "accepted", "issued"],
        designs_tables.report_rows(found.report),
    )
    report.add("Ratio to the report's best column (2.0: twice the requests, or half the time):")
    head = ["design", "requests/s", "average", "p90", "p95", "max"]
    report.table(head, designs_tables.report_ratio_rows(found.report))


def _show_closed_loop(report: Report, found: Compared) -> None:
    report.add("## Closed loop, no think time, new users: claims/s answered with 202")
    report.table(["connections", *DESIGNS], designs_tables.closed_rows(found, "rate"))
    report.add("Response time p50 / p95 / p99, ms:")
    report.table(["connections", *DESIGNS], designs_tables.closed_rows(found, "times"))
    report.add(f"## {COMPARED_AT} connections: {OURS} divided by the others")
    head = ["design", "claims/s", f"{OURS} divided by it", "aim", "accepted", "issued", "failed"]
    report.table([*head, "all issued after, s"], designs_tables.compared_rows(found))


def _show_open_loop(report: Report, found: Compared) -> None:
    report.add("## Open loop: from request to ISSUED seen by a client, p50 / p99, ms")
    report.table(["claims/s", *DESIGNS], designs_tables.open_rows(found))


def _show_rush(report: Report, found: Compared, users: int, stock: int) -> None:
    report.add(f"## A rush: {users:,} users, {stock:,} coupons")
    times = ["half have a result, s", "all have a result, s", "all issued, s"]
    head = ["design", *times, "issued", "saw ISSUED", "refused: sold out", "failed"]
    report.table(head, designs_tables.rush_rows(found.rush))


def _show_kills(report: Report, found: Compared) -> None:
    report.add("## Faults during a load of 100 connections")
    head = ["design", "fault", "accepted", "other responses", "issued", "lost", "double"]
    report.table(
        [*head, "ISSUED without a row", "restarted after, s"], designs_tables.kill_rows(found.kills)
    )


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
            report.table(["process", *cpu], designs_tables.part_rows(cpu, 2))
            charts[name] = designs_charts.cpu_chart(cpu, title)
    if closed:
        memory = {name: designs_tables.memory_of(rounds) for name, rounds in closed.items()}
        report.add("## Resident memory, MiB")
        report.table(["process", *memory], designs_tables.part_rows(memory, 0))
    return charts


def _cpu(found: Mapping[str, Collection[designs_tables.Measured]]) -> dict[str, dict[str, float]]:
    return {name: designs_tables.cpu_of(list(rounds)) for name, rounds in found.items()}


def _charts(found: Compared) -> dict[str, str]:
    makers: dict[str, tuple[object, Callable[[Compared], str]]] = {
        "throughput": (found.closed, designs_charts.throughput_chart),
        "delay": (found.opened, designs_charts.delay_chart),
    }
    return {name: make(found) for name, (measured, make) in makers.items() if measured}
