"""`coupon gate status|rebuild`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.advice import command_for
from cli.options import COUPON_ID, endpoints_option, json_option
from cli.session import open_session, print_failures
from coupons.endpoints import Endpoints
from coupons.model import Coupon, CouponState
from operations.gate import GateReport, RebuildResult, rebuild_coupon, report_gate
from operations.session import Failed, Session
from stack.endpoints import folder_of

coupon_option = click.option("--coupon", "coupon_id", type=COUPON_ID, help="Only this one.")
_MIB = 2**20


@click.group("gate", short_help="Show and rebuild what Redis holds.")
def command() -> None:
    """The gate: what Redis holds of each coupon. It can be rebuilt from Postgres at any time.

    \b
      coupon gate status               available, or why it admits nobody
      coupon gate rebuild --coupon 7   load coupon 7 again; safe while claims arrive
    """


@command.command("status")
@endpoints_option("ops")
@coupon_option
@json_option
def status_command(where: Endpoints, coupon_id: int | None, as_json: bool) -> None:
    """Show each coupon at the gate: whether it can be claimed, and whether its gate is available.

    A coupon that is closed, paused, sold out or not open yet refuses claims, and its gate is
    available all the same. The gate gets a draft when it is opened, and forgets an archived coupon,
    which is shown with --coupon only. `left` is the quantity that is not taken. Epochs are in
    --json only. A gate that is unavailable admits nobody, and the API answers 503:

    \b
    missing     Redis does not have the coupon: it was flushed, or is another server
    stale       it was loaded before Redis restarted or failed over
    loading     a rebuild runs, or was interrupted
    fenced      a rebuild began in Postgres and did not reach Redis
    unreadable  its keys in Redis hold other data than the gate writes
    refused     it is loaded, and Redis or Postgres accepts no writes; the reason is shown

    The reconciler repairs each but the last within seconds; `coupon gate rebuild --coupon N` does
    it by hand.

    \b
    Exit code 0: every gate is available
              1: some are not
              3: Redis or Postgres does not answer

    \b
      coupon gate status
      coupon gate status --coupon 7 --json
    """
    with open_session(where) as session:
        coupons, failures = session.coupons(coupon_id)
        reports = report_gate(session.gate, session.connection, coupons)
    if as_json:
        click.echo(json.dumps([each.as_json() for each in reports]))
    else:
        console = Console(highlight=False)
        console.print(_table(reports) if reports else "There are no coupons.")
        for refused in {each.refused for each in reports if each.refused}:
            console.print(f"[red]{refused}[/]", soft_wrap=True)
    print_failures(failures)
    if failures or any(each.unavailable_reason for each in reports):
        raise click.exceptions.Exit(1)


@command.command("rebuild")
@endpoints_option("reconciler")
@coupon_option
@click.option("--all", "everything", is_flag=True, help="Every coupon, one after the other.")
@json_option
def rebuild_command(
    where: Endpoints, coupon_id: int | None, everything: bool, as_json: bool
) -> None:
    """Load a coupon from Postgres again and open it: about 10 seconds for a million requests.

    Safe while claims arrive and while the reconciler runs. A claim that was admitted before and not
    written yet gets 503, and the client may repeat it. Accepted requests are never lost.

    \b
    Exit code 0: rebuilt
              1: not all of them: another rebuild of the coupon runs, Redis restarted meanwhile
                 (repeat it), or a coupon that is named cannot be read or is locked
              3: Redis or Postgres does not answer

    \b
      coupon gate rebuild --coupon 7
      coupon gate rebuild --all
    """
    if everything == (coupon_id is not None):
        raise click.UsageError("say which: --coupon N or --all")
    failures: list[Failed] = []
    with open_session(where) as session:

        def rebuild(coupon: Coupon) -> RebuildResult:
            return _rebuild(session, coupon.coupon_id, quiet=as_json)

        done = list(session.each(coupon_id, rebuild, failures, at_gate=True))
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in done]))
    print_failures(failures)
    if failures or any(each.requests is None for each in done):
        raise click.exceptions.Exit(1)


def _rebuild(session: Session, coupon_id: int, quiet: bool) -> RebuildResult:
    console = Console(highlight=False, quiet=quiet)
    with _progress(console, f"coupon {coupon_id}") as progress:
        result = rebuild_coupon(session, coupon_id, progress)
    loaded, seconds = result.requests, result.seconds
    if loaded is None:
        status = command_for("`coupon gate status`", folder_of(session.where))
        console.print(
            f"coupon {coupon_id}: [yellow]not rebuilt[/]: another rebuild runs, or Redis restarted"
            f" meanwhile; see {status}"
        )
    else:
        console.print(
            f"coupon {coupon_id}: [green]rebuilt[/] with {loaded:,} requests"
            f" in {seconds:.1f} s ({loaded / seconds:,.0f} rows/s)"
        )
    return result


def _as_json(result: RebuildResult) -> dict[str, float | int | None]:
    return {**result._asdict(), "seconds": round(result.seconds, 3)}


@contextmanager
def _progress(console: Console, what: str) -> Iterator[Callable[[int], None]]:
    """A line that shows the requests loaded so far; nothing where there is no terminal."""
    if console.quiet or not console.is_terminal:
        yield lambda _: None
        return
    began = time.monotonic()
    with Live(Text(f"{what}: fenced, reading"), console=console, transient=True) as live:

        def show(loaded: int) -> None:
            rate = loaded / (time.monotonic() - began)
            live.update(Text(f"{what}: {loaded:,} requests loaded, {rate:,.0f} rows/s"))

        yield show


def _gate(report: GateReport) -> str:
    if report.coupon.state is CouponState.DRAFT:
        return "not there yet"
    if report.coupon.state is CouponState.ARCHIVED:
        return "forgotten"
    reason = report.unavailable_reason
    return f"[red]unavailable: {reason}[/]" if reason else "[green]available[/]"


def _table(reports: list[GateReport]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("coupon", justify="right")
    for title in ("coupon is", "gate"):
        table.add_column(title, no_wrap=True)
    for title in ("left", "pending", "issued", "rejected", "MiB"):
        table.add_column(title, justify="right", no_wrap=True)
    for each in reports:
        figures = each.figures
        counts = (
            [""] * 4
            if figures is None
            else [
                f"{count:,}"
                for count in (
                    figures.places_left,
                    figures.pending,
                    figures.issued,
                    figures.rejected,
                )
            ]
        )
        table.add_row(
            str(each.coupon.coupon_id),
            each.claims,
            _gate(each),
            *counts,
            f"{each.memory / _MIB:.1f}",
        )
    return table
