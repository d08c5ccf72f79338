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

from cli.advice import typed
from cli.options import COUPON_ID, endpoints_option, json_option
from cli.session import Failed, Session, open_session, tell_failures
from coupons.endpoints import Endpoints
from coupons.gate.rebuild import rebuild
from coupons.model import Coupon
from operations.gate_report import GateReport, report_gate
from stack.endpoints import folder_of

coupon_option = click.option("--coupon", "coupon_id", type=COUPON_ID, help="Only this one.")
_MIB = 2**20


@click.group("gate", short_help="See and rebuild what Redis holds.")
def command() -> None:
    """The gate: what Redis holds of each coupon, which can be rebuilt from Postgres at any time.

    \b
      coupon gate status               open, or why it admits nobody
      coupon gate rebuild --coupon 7   load coupon 7 anew, safely while claims come in
    """


@command.command("status")
@endpoints_option("ops")
@coupon_option
@json_option
def status_command(where: Endpoints, coupon_id: int | None, as_json: bool) -> None:
    """Show each coupon at the gate: whether it can be claimed, and whether its gate is in order.

    A coupon that is closed, paused, sold out or not open yet refuses claims, and its gate is in
    order all the same. `left` are the places that nobody has taken. Epochs are in --json alone. A
    gate that is closed admits nobody, and the API answers 503:

    \b
    missing   Redis does not have the coupon: it was flushed, or is another server
    stale     it was loaded into another life of the server: Redis restarted or failed over
    loading   a rebuild is at work, or was given up
    fenced    a rebuild began in Postgres and did not get as far as Redis
    unreadable  somebody else wrote to its keys in Redis
    refused   it is there, and Redis or Postgres takes no writes; the reason is shown
    The reconciler mends each but the last within seconds; `coupon gate rebuild --coupon N` does it
    by hand.

    \b
    Exit code 0: every gate is in order; 1: some are not; 3: Redis or Postgres does not answer

    \b
      coupon gate status
      coupon gate status --coupon 7 --json
    """
    with open_session(where) as here:
        coupons, failures = here.coupons(coupon_id)
        reports = report_gate(here.gate, here.connection, coupons)
    if as_json:
        click.echo(json.dumps([each.as_json() for each in reports]))
    else:
        console = Console(highlight=False)
        console.print(_table(reports) if reports else "There are no coupons.")
        for refused in {each.refused for each in reports if each.refused}:
            console.print(f"[red]{refused}[/]", soft_wrap=True)
    tell_failures(failures)
    if failures or any(each.why_closed for each in reports):
        raise click.exceptions.Exit(1)


@command.command("rebuild")
@endpoints_option("reconciler")
@coupon_option
@click.option("--all", "everything", is_flag=True, help="Every coupon, one after the other.")
@json_option
def rebuild_command(
    where: Endpoints, coupon_id: int | None, everything: bool, as_json: bool
) -> None:
    """Load a coupon from Postgres anew and open it: about 10 seconds for a million requests.

    Safe while claims come in and beside the reconciler: claims admitted before it and not yet
    written are turned away with 503, and may come again; nobody who was accepted loses anything.

    \b
    Exit code 0: rebuilt; 1: not all of them, because somebody else is rebuilding it, Redis
    restarted meanwhile (repeat it), or a coupon cannot be read or is locked (it is named);
    3: Redis or Postgres does not answer.

    \b
      coupon gate rebuild --coupon 7
      coupon gate rebuild --all
    """
    if everything == (coupon_id is not None):
        raise click.UsageError("say which: --coupon N or --all")
    failures: list[Failed] = []
    with open_session(where) as here:

        def again(coupon: Coupon) -> dict[str, float | int | None]:
            return _rebuild(here, coupon.coupon_id, quiet=as_json)

        done = list(here.each(coupon_id, again, failures))
    if as_json:
        click.echo(json.dumps(done))
    tell_failures(failures)
    if failures or any(each["requests"] is None for each in done):
        raise click.exceptions.Exit(1)


def _rebuild(here: Session, coupon_id: int, quiet: bool) -> dict[str, float | int | None]:
    console = Console(highlight=False, quiet=quiet)
    began = time.monotonic()
    with _progress(console, f"coupon {coupon_id}", began) as progress:
        loaded = rebuild(here.gate, here.connection, coupon_id, progress)
    seconds = time.monotonic() - began
    if loaded is None:
        look = typed("`coupon gate status`", folder_of(here.where))
        console.print(
            f"coupon {coupon_id}: [yellow]not rebuilt[/]: somebody else is at it, or Redis"
            f" restarted meanwhile; look with {look}"
        )
    else:
        console.print(
            f"coupon {coupon_id}: [green]rebuilt[/] with {loaded:,} requests"
            f" in {seconds:.1f} s ({loaded / seconds:,.0f} rows/s)"
        )
    return {"coupon_id": coupon_id, "requests": loaded, "seconds": round(seconds, 3)}


@contextmanager
def _progress(console: Console, what: str, began: float) -> Iterator[Callable[[int], None]]:
    """A line that is drawn anew while rows are loaded; nothing where there is no terminal."""
    if console.quiet or not console.is_terminal:
        yield lambda _: None
        return
    with Live(Text(f"{what}: fenced, reading"), console=console, transient=True) as live:

        def show(loaded: int) -> None:
            rate = loaded / (time.monotonic() - began)
            live.update(Text(f"{what}: {loaded:,} requests loaded, {rate:,.0f} rows/s"))

        yield show


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
            f"[red]closed: {each.why_closed}[/]" if each.why_closed else "[green]in order[/]",
            *counts,
            f"{each.memory / _MIB:.1f}",
        )
    return table
