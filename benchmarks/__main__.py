"""Run the measurements: python -m benchmarks [--quick]"""

import shutil
import subprocess

import click

from benchmarks.harness.commits import git
from benchmarks.harness.target import RunningStack
from benchmarks.results.audience import AUDIENCE, report_audience
from benchmarks.results.components import CEILINGS, GROWTH, report_components
from benchmarks.results.designs import PARTS as DESIGN_PARTS
from benchmarks.results.designs import compare_designs
from benchmarks.results.pipeline import (
    ARCHIVING,
    COST,
    GATE_MEMORY,
    REBUILD,
    ROOM,
    RUNNING_PARTS,
    STACK_PARTS,
    report_archiving,
    report_cost,
    report_gate_memory,
    report_pipeline,
    report_rebuild,
    report_room,
    report_running,
)
from benchmarks.results.report import Report
from benchmarks.results.retention import RETENTION, report_retention
from cli.failures import run_program
from stack.disposable import disposable_stack
from stack.machine import describe_machine

EVERYTHING = (
    *(*STACK_PARTS, GATE_MEMORY, REBUILD, ARCHIVING, AUDIENCE, ROOM, RETENTION),
    *(*DESIGN_PARTS, CEILINGS, GROWTH),
)
PARTS = (*EVERYTHING, COST)
# They take minutes: a quick run measures them only when they are named.
NOT_QUICK = {REBUILD, ARCHIVING, AUDIENCE, ROOM, RETENTION, CEILINGS, GROWTH}


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]}, epilog=f"Parts: {', '.join(PARTS)}."
)
@click.argument("parts", nargs=-1, type=click.Choice(PARTS), metavar="[PART]...")
@click.option("--quick", is_flag=True, help="Short rounds, rough figures: under ten minutes.")
@click.option("--long", is_flag=True, help="Growth also with ten million requests: minutes more.")
@click.option(
    "--against", metavar="COMMIT", help="The commit that `cost` compares with. [the last release]"
)
@click.option("--running", is_flag=True, help="Measure the stack that COUPON_* variables name.")
def main(
    parts: tuple[str, ...], quick: bool, long: bool, against: str | None, running: bool
) -> None:
    """Measure the system on a separate embedded stack on this machine.

    PART: what to measure; by default everything but cost, with --quick without rebuild,
    archiving, audience, room, retention, ceilings and growth.
    Results are printed as Markdown. A full run also stores them in benchmarks/results, with charts
    of the four designs, and in docs/reference/benchmarks.md.

    \b
      python -m benchmarks                 everything
      python -m benchmarks delay backlog   two parts
      python -m benchmarks report-load closed-loop open-loop rush kills
                                           the four designs side by side
      python -m benchmarks cost --against HEAD~1
                                           processor time of a claim, and that of a commit
      python -m benchmarks --running       delay and full load, on a stack that runs already
    """
    if running and (wrong := set(parts) - set(RUNNING_PARTS)):
        raise click.UsageError(
            f"{', '.join(sorted(wrong))}: not with --running, which leaves the stack as it is;"
            f" use {' or '.join(RUNNING_PARTS)}"
        )
    report = Report()
    report.add(
        f"Measured on {describe_machine()}; load generator, servers and all processes on it."
    )
    if running:
        report_running(report, RunningStack(), parts or RUNNING_PARTS, quick)
        return
    wanted = set(parts or (part for part in EVERYTHING if not (quick and part in NOT_QUICK)))
    if against and COST not in wanted:
        raise click.UsageError("--against is for the part cost")
    if COST in wanted:
        if shutil.which("wrk") is None:
            raise click.UsageError("cost needs wrk (Debian: apt install wrk)")
        commit = _commit(against)
        with disposable_stack() as stack:
            report_cost(report, stack, commit, quick)
    _measure(report, wanted, quick, long)
    if not parts and not quick:
        click.echo(f"stored in {report.save('pipeline')}", err=True)


def _commit(against: str | None) -> str:
    """The commit to compare with; by default the newest tag before this one."""
    asked = ["rev-parse", "--verify", "--quiet", f"{against}^{{commit}}"]
    if against is None:
        asked = ["describe", "--tags", "--abbrev=0", "HEAD"]
    try:
        found = git(*asked).decode().strip()
    except FileNotFoundError:
        raise click.UsageError("cost needs git, for the source to compare with") from None
    except subprocess.CalledProcessError:
        missing = "no tag" if against is None else f"no commit {against}"
        raise click.UsageError(f"there is {missing} here; use --against COMMIT") from None
    return against or found


def _measure(report: Report, wanted: set[str], quick: bool, long: bool) -> None:
    if GATE_MEMORY in wanted:
        report_gate_memory(report, quick)
    if REBUILD in wanted:
        report_rebuild(report, quick)
    if ARCHIVING in wanted:
        report_archiving(report, quick)
    if AUDIENCE in wanted:
        report_audience(report, quick)
    if ROOM in wanted:
        report_room(report, quick)
    if RETENTION in wanted:
        report_retention(report, quick)
    if wanted & {*STACK_PARTS, *DESIGN_PARTS}:
        with disposable_stack() as stack:
            report_pipeline(report, stack, wanted, quick)
            # Last: coupons that the other designs issue have no request, so the stack is spoilt.
            if wanted & set(DESIGN_PARTS):
                compare_designs(stack, wanted, quick)
    if wanted & {CEILINGS, GROWTH}:
        report_components(report, wanted, quick, long)


if __name__ == "__main__":
    run_program(main)
