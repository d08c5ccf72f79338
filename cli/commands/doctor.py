"""`coupon doctor`."""

import json
import sys
from collections.abc import Sequence

import click
from rich.console import Console

from cli.advice import command_for, with_commands_for
from cli.exit_codes import NOT_ANSWERED
from cli.options import endpoints_option, json_option
from coupons.endpoints import Endpoints
from operations.doctor.checks import run_checks
from operations.doctor.findings import Finding, Level, is_healthy, verdict
from operations.doctor.system import find_system
from stack.endpoints import folder_of
from stack.folder import StateFolder

_COLOURS = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.FAILING: "red",
    Level.UNKNOWN: "magenta",
    Level.ELSEWHERE: "cyan",
}


@click.command("doctor", short_help="Say what is wrong, what it means and what to type.")
@endpoints_option("ops")
@json_option
def command(where: Endpoints, as_json: bool) -> None:
    """Check every part of the system and the stream of requests through it.

    Each finding has a sentence on what it means and, unless all is well, the command to type and
    the section of docs/how-to/runbook.md that says more. Root causes come first, their
    consequences after them. It changes nothing, takes a few seconds, and works while servers are
    down.

    \b
    Exit code 0: nothing is failing
              1: something is failing
              3: nothing that was checked is failing, but something could not be checked

    \b
      coupon doctor
      coupon doctor --json | jq '.findings[] | select(.level == "failing")'
    """
    findings = [_for_stack(each, folder_of(where)) for each in run_checks(find_system(where))]
    levels = {finding.level for finding in findings}
    if as_json:
        each = [finding._asdict() for finding in findings]
        click.echo(json.dumps({"healthy": is_healthy(findings), "findings": each}))
    else:
        _show(findings)
    if Level.FAILING in levels:
        sys.exit(1)
    sys.exit(NOT_ANSWERED if Level.UNKNOWN in levels else 0)


def _for_stack(finding: Finding, folder: StateFolder | None) -> Finding:
    command = finding.command and command_for(finding.command, folder)
    return finding._replace(says=with_commands_for(finding.says, folder), command=command)


def _show(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(f"{finding.level:<10}", style=_COLOURS[finding.level], end="")
        console.print(f"{finding.check:<15}", end="")
        if finding.because is not None:
            console.print(f"{finding.says} (see: {finding.because})", markup=False)
            continue
        console.print(finding.says, markup=False)
        if finding.command is not None:
            console.print(f"{'':25}type: {finding.command}", markup=False)
            console.print(f"{'':25}read: docs/how-to/runbook.md, {finding.section}", markup=False)
    console.print(f"\n{verdict(findings)}")
