"""`coupon doctor`."""

import json
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.console import Console

from cli.advice import command_for, with_commands_for
from cli.doctor_findings import APPEARED, WENT_AWAY, show_change, show_findings
from cli.exit_codes import NOT_ANSWERED, WRONG
from cli.options import Seconds, endpoints_option, json_option
from coupons.endpoints import Endpoints
from operations.doctor.changes import Changes, changes
from operations.doctor.checks import Run, run_checks
from operations.doctor.findings import Finding, Level, is_healthy, verdict
from operations.doctor.system import find_system
from stack.endpoints import folder_of
from stack.folder import StateFolder

_WATCH_SECONDS = 10.0


@click.command("doctor", short_help="Say what is wrong, what it means and what to type.")
@endpoints_option("ops")
@click.option(
    "--watch",
    "watch_s",
    is_flag=False,
    flag_value=_WATCH_SECONDS,
    type=Seconds(1, 3600),
    metavar="[SECONDS]",
    help="Check again and again, so many seconds after the last check, and print what changed"
    f" [default: {_WATCH_SECONDS:g}].",
)
@json_option
def command(where: Endpoints, watch_s: float | None, as_json: bool) -> None:
    """Check every part of the system and the stream of requests through it.

    Each finding has a sentence on what it means and, unless all is well, the command to type and
    the section of docs/how-to/runbook.md that says more. Root causes come first, their
    consequences after them. It changes nothing, takes a few seconds, and works while servers are
    down.

    With --watch it checks until Ctrl-C or SIGTERM, and prints each finding that appeared or went
    away, with the time. A sentence with other figures is no change. The exit code is then that of
    the last check that was complete, or 130 if there was none. With --json each change is one line:
    `at`, `healthy`, `appeared`, `went_away`.

    \b
    Exit code 0: nothing is failing
              1: something is failing
              3: nothing that was checked is failing, but something could not be checked

    \b
      coupon doctor
      coupon doctor --watch
      coupon doctor --json | jq '.findings[] | select(.level == "failing")'
    """
    if watch_s is not None:
        sys.exit(_watch(where, watch_s, as_json))
    findings = _check(where)
    if as_json:
        click.echo(json.dumps({"healthy": is_healthy(findings), "findings": _as_json(findings)}))
    else:
        show_findings(_console(), findings)
    sys.exit(_exit_code(findings))


def _watch(where: Endpoints, watch_s: float, as_json: bool) -> int:
    """Until it is interrupted; then the exit code."""
    # `timeout` and a service manager send SIGTERM: they get the exit code as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    last: list[Finding] | None = None
    hanging: dict[str, Run] = {}
    try:
        while True:
            findings = _check(where, hanging)
            _report(findings, last, as_json)
            last = findings
            time.sleep(watch_s)
    except KeyboardInterrupt:
        if last is None:
            raise
        return _exit_code(last)


def _report(findings: list[Finding], last: list[Finding] | None, as_json: bool) -> None:
    """The first check completely; of a later one what changed, and nothing if nothing did."""
    changed = changes(last or [], findings)
    if last is not None and not any(changed):
        return
    if as_json:
        line = {
            "at": datetime.now(UTC).isoformat(),
            "healthy": is_healthy(findings),
            "appeared": _as_json(changed.appeared),
            "went_away": _as_json(changed.went_away),
        }
        click.echo(json.dumps(line))
    elif last is None:
        show_findings(_console(), findings)
    else:
        _show_changes(changed, verdict(findings))
    sys.stdout.flush()  # also into a pipe or a file at once


def _show_changes(changed: Changes, says: str) -> None:
    console, clock = _console(), f"{datetime.now():%H:%M:%S}"
    for finding in changed.went_away:
        show_change(console, clock, WENT_AWAY, finding)
    for finding in changed.appeared:
        show_change(console, clock, APPEARED, finding)
    console.print(f"{clock}  {says}")


def _check(where: Endpoints, hanging: dict[str, Run] | None = None) -> list[Finding]:
    findings = run_checks(find_system(where), hanging=hanging)
    return [_for_stack(each, folder_of(where)) for each in findings]


def _for_stack(finding: Finding, folder: StateFolder | None) -> Finding:
    command = finding.command and command_for(finding.command, folder)
    return finding._replace(says=with_commands_for(finding.says, folder), command=command)


def _as_json(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [finding._asdict() for finding in findings]


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _exit_code(findings: Sequence[Finding]) -> int:
    levels = {finding.level for finding in findings}
    if Level.FAILING in levels:
        return WRONG
    return NOT_ANSWERED if Level.UNKNOWN in levels else 0
