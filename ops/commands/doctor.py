"""`coupon doctor`."""

import json
import sys
from collections.abc import Sequence

import click
from rich.console import Console

from ops.addresses import Addresses
from ops.doctor.examine import examine
from ops.doctor.findings import Finding, Level
from ops.doctor.places import find_places
from ops.options import addresses_option, json_option

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILING: "red"}


@click.command("doctor", short_help="Say what is wrong, what it means and what to type.")
@addresses_option("ops")
@json_option
def command(where: Addresses, as_json: bool) -> None:
    """Look at every part of the system and at what flows between them.

    Each finding has a sentence on what it means and, unless all is well, the command to type and
    the section of docs/runbook.md that says more. It changes nothing, takes a few seconds, and
    works with anything down. Exit code 0 only if nothing is failing.

    \b
      coupon doctor
      coupon doctor --json | jq '.findings[] | select(.level == "failing")'
    """
    findings = examine(find_places(where))
    healthy = all(finding.level is not Level.FAILING for finding in findings)
    if as_json:
        each = [finding._asdict() for finding in findings]
        click.echo(json.dumps({"healthy": healthy, "findings": each}))
    else:
        _show(findings, healthy)
    sys.exit(0 if healthy else 1)


def _show(findings: Sequence[Finding], healthy: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(f"{finding.level:<8}", style=_COLOURS[finding.level], end="")
        console.print(f"{finding.check:<15}", end="")
        console.print(finding.says, markup=False)
        if finding.command is not None:
            console.print(f"{'':23}type: {finding.command}", markup=False)
            console.print(f"{'':23}read: docs/runbook.md, {finding.section}", markup=False)
    console.print("\nHealthy." if healthy else "\nSomething is failing: see above.")
