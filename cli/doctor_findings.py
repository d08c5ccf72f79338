"""Findings of the doctor as a person reads them."""

from collections.abc import Sequence

from rich.console import Console

from operations.doctor.findings import Finding, Level, verdict

APPEARED, WENT_AWAY = "appeared", "went away"

_COLOURS = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.FAILING: "red",
    Level.UNKNOWN: "magenta",
    Level.ELSEWHERE: "cyan",
}


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Each finding with what to type, and the verdict."""
    said: set[str] = set()
    for finding in findings:
        console.print(f"{finding.level:<10}", style=_COLOURS[finding.level], end="")
        console.print(f"{finding.check:<15}", end="")
        _show_sentence(console, finding._replace(says=_once(finding, said)))
    console.print(f"\n{verdict(findings)}")


def _once(finding: Finding, said: set[str]) -> str:
    """What it says, without an error that a line before it has. said: the errors so far."""
    error = finding.says.removeprefix("not checked: ")
    if finding.because is not None and error in said:
        return "not checked, for the same reason"
    said.add(error)
    return finding.says


def show_change(console: Console, clock: str, what: str, finding: Finding) -> None:
    """A finding that appeared or went away. clock: when that was seen."""
    console.print(f"{clock}  {what:<10}", end="")
    console.print(f"{finding.level:<9}", style=_COLOURS[finding.level], end="")
    console.print(f"{finding.check}: ", end="")
    if what == APPEARED:
        _show_sentence(console, finding)
    else:
        console.print(finding.says, markup=False)


def _show_sentence(console: Console, finding: Finding) -> None:
    """And what to type, unless another finding explains it or nothing has to be done."""
    if finding.because is not None:
        console.print(f"{finding.says} (see: {finding.because})", markup=False)
        return
    console.print(finding.says, markup=False)
    if finding.command is not None:
        console.print(f"{'':25}type: {finding.command}", markup=False)
        console.print(f"{'':25}read: docs/how-to/runbook.md, {finding.section}", markup=False)
