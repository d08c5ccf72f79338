"""Runs the measurements: python -m benchmarks [--quick]"""

from collections.abc import Sequence

import click

from benchmarks.backlog import measure_backlog, measure_drain
from benchmarks.claiming import (
    closed_loop,
    compare_long_polls,
    measure_delay,
    measure_full_load,
)
from benchmarks.components import CEILINGS, GROWTH, report_components
from benchmarks.gate_memory import measure_gate_memory
from benchmarks.machine import describe_machine
from benchmarks.poison import measure_poison
from benchmarks.rebuild import measure_rebuild
from benchmarks.report import (
    Report,
    backlog_rows,
    compared_rows,
    delay_rows,
    drain_rows,
    full_load_rows,
    memory_rows,
    poison_rows,
    rebuild_rows,
)
from benchmarks.running import RunningStack, Target
from benchmarks.strategies.presenting import PARTS as DESIGN_PARTS
from benchmarks.strategies.presenting import compare_designs
from stack.disposable import disposable_stack

# What can be measured without stopping and starting parts of the stack.
RUNNING_PARTS = ("delay", "full-load")
PARTS = (
    "long-polls",
    "delay",
    "full-load",
    "backlog",
    "drain",
    "poison",
    "gate-memory",
    "rebuild",
    *DESIGN_PARTS,
    CEILINGS,
    GROWTH,
)
# These need a stack that nobody else uses; a quick run measures them when they are named.
NOT_QUICK = {"rebuild", CEILINGS, GROWTH}
APART = {"gate-memory", *NOT_QUICK}


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]}, epilog=f"Parts: {', '.join(PARTS)}."
)
@click.argument("parts", nargs=-1, type=click.Choice(PARTS), metavar="[PART]...")
@click.option("--quick", is_flag=True, help="Short rounds, rough figures: under three minutes.")
@click.option("--long", is_flag=True, help="Growth also with ten million requests: minutes more.")
@click.option("--running", is_flag=True, help="Measure the stack of the COUPON_* addresses.")
def main(parts: tuple[str, ...], quick: bool, long: bool, running: bool) -> None:
    """Measure the system on an embedded stack of its own, all on this machine.

    PART: some of the measurements; all of them when none is named, with --quick but for rebuild,
    ceilings and growth. Results are printed as Markdown, and a full run's are kept in
    benchmarks/results, with charts of the four designs.

    \b
      python -m benchmarks                 everything
      python -m benchmarks delay backlog   two of them
      python -m benchmarks report-load closed-loop open-loop rush kills
                                           the four designs side by side
      python -m benchmarks --running       delay and full load, on a stack that runs already
    """
    if running and (wrong := set(parts) - set(RUNNING_PARTS)):
        raise click.UsageError(f"{', '.join(wrong)}: not on a running stack, which stays as it is")
    report = Report()
    report.add(
        f"Measured on {describe_machine()}; load generator, servers and all processes on it."
    )
    wanted = parts or _all_parts(quick, running)
    if running:
        _load(report, RunningStack(), wanted, quick)
        return
    if "gate-memory" in wanted:
        _gate_memory(report, 100_000 if quick else 1_000_000)
    if "rebuild" in wanted:
        _rebuild(report, 100_000 if quick else 1_000_000, 1 if quick else 2)
    if set(wanted) - APART:
        _on_a_stack(report, wanted, quick)
    if set(wanted) & {CEILINGS, GROWTH}:
        report_components(report, wanted, quick, long)
    if not parts and not quick:
        click.echo(f"kept in {report.save('pipeline')}", err=True)


def _all_parts(quick: bool, running: bool) -> tuple[str, ...]:
    if running:
        return RUNNING_PARTS
    return tuple(part for part in PARTS if not (quick and part in NOT_QUICK))


def _gate_memory(report: Report, users: int) -> None:
    report.add("## Memory of the gate, bytes a settled user")
    head = ["user ids", "users", "used", "resident"]
    report.table(head, memory_rows(measure_gate_memory(users)))


def _rebuild(report: Report, requests: int, rounds: int) -> None:
    report.add("## `coupon gate rebuild` of one coupon, from nothing")
    head = ["requests", "seconds", "rows/s", "peak MiB", "of that for an empty coupon"]
    report.table(head, rebuild_rows(measure_rebuild(requests, rounds)))


def _on_a_stack(report: Report, wanted: tuple[str, ...], quick: bool) -> None:
    rounds, seconds = _extent(quick)
    with disposable_stack() as stack:
        if "long-polls" in wanted:
            report.add("## Claims a second with 500 long polls open")
            polls = compare_long_polls(stack, rounds, seconds, long_polls=500)
            head = ["100 connections, no think time", "median", "spread", "ratio"]
            report.table(head, compared_rows("500 long polls open", "none", polls))
        # Not the first: half a minute of load has made Connect's and Kafka's Java fast by now.
        _load(report, stack, wanted, quick)
        if "backlog" in wanted:
            report.add("## The consumer alone on a backlog")
            head = ["events", "events/s", "resident MiB", "Debezium into Kafka, rows/s"]
            backlog = measure_backlog(stack, 20_000 if quick else 200_000)
            report.table(head, backlog_rows(backlog))
        if "drain" in wanted:
            report.add("## A backlog collected while Connect was down, until issued and marked")
            head = ["rows", "rows/s", "Connect's start to the first, s", "in all, s"]
            drained = measure_drain(stack, 20_000 if quick else 300_000)
            report.table(head, drain_rows(drained))
        if "poison" in wanted:
            report.add("## A poison record among 500: until the others are issued, ms")
            report.table(
                ["500 requests", "median", "spread", "added"],
                poison_rows(measure_poison(stack, 5 if quick else 15)),
            )
        # The last: what the other designs issue has no request, and the stack is spoilt.
        if set(wanted) & set(DESIGN_PARTS):
            compare_designs(stack, wanted, quick)


def _load(report: Report, stack: Target, wanted: Sequence[str], quick: bool) -> None:
    _, seconds = _extent(quick)
    if set(wanted) & set(RUNNING_PARTS):
        closed_loop(stack, seconds * 2)  # Java is slow until it is compiled
    if "delay" in wanted:
        report.add("## From request to ISSUED at a fixed rate, open loop, ms")
        rates = [measure_delay(stack, rate, seconds * 2) for rate in (500, 1000, 2000)]
        head = ["claims/s", "answered 202", "p50", "p99", "HTTP p50", "HTTP p99"]
        report.table(head, delay_rows(rates))
    if "full-load" in wanted:
        report.add("## Full load: 100 connections, no think time")
        loads = [measure_full_load(stack, seconds * 2, with_wrk=wrk) for wrk in (False, True)]
        head = ["generator", "accepted/s", "issued/s during it", "left, drained", "p50", "p99"]
        known = [load for load in loads if load is not None]
        report.table([*head, "HTTP p99, ms"], full_load_rows(known))


def _extent(quick: bool) -> tuple[int, float]:
    """Rounds, and seconds a round."""
    return (1, 1.5) if quick else (3, 6.0)


if __name__ == "__main__":
    main()
