"""What `coupon trace` prints."""

from datetime import datetime, timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.advice import with_commands_for_this_stack
from operations.trace.timeline import StageState, Trace

_COLOURS = {
    StageState.REACHED: "green",
    StageState.WAITING: "yellow",
    StageState.UNKNOWN: "red",
}


def show_trace(console: Console, trace: Trace) -> None:
    """The request, a line for each stage, and what else is known."""
    console.print(f"[bold]Request {trace.request_id}[/]", soft_wrap=True)
    status = trace.status or ("not known" if trace.steps else "no request")
    console.print(f"user {trace.user_id}, coupon {trace.coupon_id}: {status}", soft_wrap=True)
    if trace.steps:
        console.print()
        console.print(_table(trace))
    for note in trace.notes:
        console.print(escape(note))


def _table(trace: Trace) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("time (UTC)", no_wrap=True)
    table.add_column("after", no_wrap=True, justify="right")
    table.add_column("", overflow="fold")
    before: datetime | None = None
    for step in trace.steps:
        table.add_row(
            step.stage,
            f"[{_COLOURS[step.state]}]{step.state}[/]",
            "" if step.at is None else _moment(step.at, before),
            "" if step.at is None or before is None else _delay(step.at - before),
            escape(with_commands_for_this_stack(step.says)),
        )
        before = step.at or before
    return table


def _moment(at: datetime, before: datetime | None) -> str:
    """The time, and the day where it is another one than the line before."""
    clock = f"{at:%H:%M:%S}.{at.microsecond // 1_000:03d}"
    return clock if before is not None and before.date() == at.date() else f"{at:%Y-%m-%d}\n{clock}"


def _delay(delay: timedelta) -> str:
    seconds = delay.total_seconds()
    if abs(seconds) < 1:
        return f"{seconds * 1_000:.0f} ms"
    return f"{seconds:.1f} s" if abs(seconds) < 120 else f"{seconds / 60:,.0f} min"
