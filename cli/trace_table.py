"""What `coupon trace` prints."""

from datetime import datetime, timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.advice import with_commands_for_this_stack
from coupons.ids import request_id_text
from coupons.model import from_microseconds
from operations.trace.requests_of_user import UserRequests
from operations.trace.timeline import StageState, Trace

_ID_COLUMNS = 36
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


def show_requests(console: Console, found: UserRequests) -> None:
    """A line for each request of a user."""
    searched = "all" if found.complete else "the last"
    console.print(
        f"[bold]User {found.user_id}[/]: {found.total:,} requests for {searched}"
        f" {found.searched:,} coupons",
        soft_wrap=True,
    )
    if not found.total:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("request", no_wrap=True, min_width=_ID_COLUMNS)
    for name in ("coupon", "time (UTC)", "status"):
        table.add_column(name, overflow="fold")
    for each in found.newest:
        reason = f", {each.reason}" if each.reason else ""
        table.add_row(
            request_id_text(each.coupon_id, each.user_id),
            str(each.coupon_id),
            f"{from_microseconds(each.requested_at_us):%Y-%m-%d %H:%M:%S}",
            f"{each.status}{reason}",
        )
    console.print(table)
    if found.total > len(found.newest):
        console.print(f"These are the last {len(found.newest)}; --coupon shows any other one.")


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
