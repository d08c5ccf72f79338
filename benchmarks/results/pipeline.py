"""Measures the parts of our own pipeline, and adds their tables to a report."""

import shutil
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.collector import span_collector
from benchmarks.harness.commits import unpack_commit
from benchmarks.harness.target import Target
from benchmarks.load.coupons import create_coupon
from benchmarks.measurements.archiving import measure_archiving
from benchmarks.measurements.backlog import measure_backlog, measure_drain
from benchmarks.measurements.claiming import (
    closed_loop,
    compare_long_polls,
    measure_delay,
    measure_full_load,
)
from benchmarks.measurements.costs import Variant, measure_costs, observed_variants
from benchmarks.measurements.gate_memory import measure_gate_memory
from benchmarks.measurements.overload import measure_overload
from benchmarks.measurements.poison import measure_poison
from benchmarks.measurements.rebuild import measure_rebuild
from benchmarks.measurements.tracing import measure_tracing
from benchmarks.measurements.uses import measure_uses
from benchmarks.results.pipeline_tables import (
    COST_HEAD,
    OVERLOAD_HEAD,
    archiving_rows,
    backlog_rows,
    compared_rows,
    cost_rows,
    delay_rows,
    drain_rows,
    full_load_rows,
    memory_rows,
    overload_rows,
    poison_rows,
    rebuild_rows,
    tracing_rows,
    use_rows,
)
from benchmarks.results.report import Report
from stack.disposable import DisposableStack

GATE_MEMORY, REBUILD, ARCHIVING, COST = "gate-memory", "rebuild", "archiving", "cost"
# These neither stop nor start parts of the stack.
RUNNING_PARTS = ("delay", "full-load")
STACK_PARTS = (
    "long-polls",
    *RUNNING_PARTS,
    "backlog",
    "drain",
    "poison",
    "tracing",
    "observation",
    "overload",
    "uses",
)
RATES = (500, 1000, 2000)


def report_gate_memory(report: Report, quick: bool) -> None:
    """On a Redis-compatible server that holds nothing else."""
    report.add("## Memory of the gate, bytes a settled user")
    head = ["user ids", "users", "used", "resident"]
    users = 100_000 if quick else 1_000_000
    report.table(head, memory_rows(measure_gate_memory(users)))


def report_rebuild(report: Report, quick: bool) -> None:
    """On a separate stack, whose gate is emptied."""
    report.add("## `coupon gate rebuild` of one coupon, from an empty gate")
    head = ["requests", "seconds", "rows/s", "peak MiB", "for an empty coupon"]
    requests, rounds = (100_000, 1) if quick else (1_000_000, 2)
    report.table(head, rebuild_rows(measure_rebuild(requests, rounds)))


def report_archiving(report: Report, quick: bool) -> None:
    """On a separate stack."""
    report.add("## An archived coupon leaves the gate")
    users, rounds = (100_000, 1) if quick else (1_000_000, 3)
    head = ["users", "archived, s", "forgotten, s", "MiB before", "after"]
    head += ["claims of another coupon, ms: p50", "p99", "meanwhile p50", "p99", "most"]
    report.table(head, archiving_rows(measure_archiving(users, rounds)))


def report_pipeline(
    report: Report, stack: DisposableStack, wanted: Collection[str], quick: bool
) -> None:
    """The wanted ones of STACK_PARTS."""
    rounds, round_seconds = _extent(quick)
    if "long-polls" in wanted:
        report.add("## Claims a second with 500 long polls open")
        polls = compare_long_polls(stack, rounds, round_seconds, long_polls=500)
        head = ["100 connections, no think time", "median", "spread", "ratio"]
        report.table(head, compared_rows("500 long polls open", "none", polls))
    # Not first: half a minute of load warms up the Java of Connect and Kafka.
    report_running(report, stack, wanted, quick)
    if "backlog" in wanted:
        report.add("## The consumer alone on a backlog")
        head = ["events", "events/s", "resident MiB", "Debezium into Kafka, rows/s"]
        report.table(head, backlog_rows(measure_backlog(stack, 20_000 if quick else 200_000)))
    if "drain" in wanted:
        report.add("## A backlog collected while Connect was down, until issued and marked")
        head = ["rows", "rows/s", "start of Connect to first row, s", "to last row, s"]
        report.table(head, drain_rows(measure_drain(stack, 20_000 if quick else 300_000)))
    if "poison" in wanted:
        report.add("## A poison record among 500: until the others are issued, ms")
        head = ["500 requests", "median", "spread", "added"]
        report.table(head, poison_rows(measure_poison(stack, 5 if quick else 15)))
    if "tracing" in wanted:
        report.add("## Tracing: processor time of a claim in a process, microseconds")
        stack.stop("consumer-1")
        key_file = Path(stack.environment["COUPON_JWT_KEY_FILE"])
        costs = measure_tracing(stack, create_coupon(stack), key_file, 5 if quick else 30)
        stack.up()
        report.table(["process", "traced", "median", "lowest", "added"], tracing_rows(costs))

    if "observation" in wanted and _has_wrk(report, "observation"):
        report.add("## What metrics, logs, monitor and tracing cost at full load")
        with span_collector() as url:
            found = measure_costs(stack, observed_variants(url), *_turns(quick))
        report.table(COST_HEAD, cost_rows(found))
    if "overload" in wanted and _has_wrk(report, "overload"):
        report.add("## Overload: a flood of connections that claim again at once")
        floods, seconds = ((500,), 4) if quick else ((1_000, 8_000), 10)
        report.table(OVERLOAD_HEAD, overload_rows(measure_overload(stack, floods, seconds)))
    if "uses" in wanted:
        report.add("## Uses of issued coupons, 100 connections, no think time")
        head = ["uses", "uses/s", "p50 ms", "p99 ms"]
        report.table(head, use_rows(measure_uses(stack, rounds, round_seconds)))


def _has_wrk(report: Report, part: str) -> bool:
    if shutil.which("wrk") is not None:
        return True
    report.add(f"{part} was not measured: it needs wrk (Debian: apt install wrk).")
    return False


def report_cost(report: Report, stack: DisposableStack, commit: str, quick: bool) -> None:
    """This source beside that of a commit. Raises CalledProcessError when git does not know it."""
    report.add(f"## Processor time of an issued coupon at full load: {commit} and now")
    with TemporaryDirectory(prefix="coupon-bench-source-") as folder:
        source = Path(folder)
        unpack_commit(commit, source)
        variants = [Variant(commit, source=source), Variant("now")]
        report.table(COST_HEAD, cost_rows(measure_costs(stack, variants, *_turns(quick))))


def _turns(quick: bool) -> tuple[int, int]:
    """Turns, and seconds a turn."""
    return (1, 2) if quick else (5, 6)


def report_running(report: Report, stack: Target, wanted: Collection[str], quick: bool) -> None:
    """The wanted ones of RUNNING_PARTS."""
    _, seconds = _extent(quick)
    if set(wanted) & set(RUNNING_PARTS):
        closed_loop(stack, seconds * 2)  # warms up the Java of Connect and Kafka
    if "delay" in wanted:
        report.add("## From request to ISSUED at a fixed rate, open loop, ms")
        rates = [measure_delay(stack, rate, seconds * 2) for rate in RATES]
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
