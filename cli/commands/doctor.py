"""`coupon doctor`."""

import json
import sys
from collections.abc import Sequence

import click
from rich.console import Console

from cli.advice import told, typed
from cli.exit_codes import NOT_ANSWERED
from cli.options import endpoints_option, json_option
from coupons.endpoints import Endpoints
from operations.doctor.examine import examine
from operations.doctor.findings import Finding, Level
from operations.doctor.places import find_places
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
    """Look at every part of the system and at what flows between them.

    Each finding has a sentence on what it means and, unless all is well, the command to type and
    the section of docs/how-to/runbook.md that says more. Root causes come first, what follows from
    them after them. It changes nothing, takes a few seconds, and works with anything down.

    \b
    Exit code 0: nothing is failing
              1: something is failing
              3: nothing that was looked at is failing, but something could not be looked at

    \b
      coupon doctor
      coupon doctor --json | jq '.findings[] | select(.level == "failing")'
    """
    findings = [_typed(each, folder_of(where)) for each in examine(find_places(where))]
    levels = {finding.level for finding in findings}
    if as_json:
        each = [finding._asdict() for finding in findings]
        healthy = not levels - {Level.OK, Level.WARNING, Level.ELSEWHERE}
        click.echo(json.dumps({"healthy": healthy, "findings": each}))
    else:
        _show(findings)
    if Level.FAILING in levels:
        sys.exit(1)
    sys.exit(NOT_ANSWERED if Level.UNKNOWN in levels else 0)


def _typed(finding: Finding, folder: StateFolder | None) -> Finding:
    command = finding.command and typed(finding.command, folder)
    return finding._replace(says=told(finding.says, folder), command=command)


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
    console.print(f"\n{_verdict(findings)}")


def _verdict(findings: Sequence[Finding]) -> str:
    roots = [each for each in findings if each.because is None]
    causes = sum(each.level is Level.FAILING for each in roots)
    if causes:
        more = sum(each.because is not None for each in findings)
        follows = f" {more} more follow from it." if more else ""
        return f"Something is failing: begin with the first line.{follows}"
    if any(each.level is Level.UNKNOWN for each in findings):
        return "Nothing that was looked at is failing, but not everything could be looked at."
    if any(each.level is Level.WARNING for each in findings):
        return "Nothing is failing, but the warnings need attention."
    unseen = sorted({each.check for each in findings if each.level is Level.ELSEWHERE})
    return (
        f"Healthy, as far as it was looked at: not {', '.join(unseen)}." if unseen else "Healthy."
    )
