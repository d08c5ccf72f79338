"""`coupon status`."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table

from cli.endpoints import find_endpoints
from cli.options import json_option, local_state_option
from cli.top_figures import printable
from connectors.stream_state import read_stream_health
from stack.cache import bundle_folders
from stack.folder import StateFolder
from stack.options import existing
from stack.plan import all_parts
from stack.report import PartReport, report
from stack.servers.postgres_homes import LeftOver, left_over

_MIB = 2**20
_COLOURS = {"up": "green", "unhealthy": "yellow", "down": "red", "never started": "red"}


@click.command("status", short_help="Show which parts are up.")
@local_state_option
@json_option
def command(folder: StateFolder, as_json: bool) -> None:
    """Show every part: up or down and since when, its process, ports and memory.

    Below them the connector, and the heartbeat age: the age of the newest heartbeat that came
    through the complete pipeline. Exit code 0 only if all is up, so that a script can wait for it.

    When root starts a stack, Postgres' data is outside of the state folder. Such data stays behind
    if the state folder is removed by something else than `coupon down --wipe`. It is named below,
    with what to type.

    \b
      coupon status
      coupon status --json | jq '.parts[] | select(.state != "up")'
    """
    options = existing(folder)
    reports = report(folder, all_parts(folder, options, bundle_folders()))
    health = read_stream_health(find_endpoints(folder, True, "ops", {}))
    if as_json:
        total = sum(each.memory or 0 for each in reports)
        parts = [asdict(each) for each in reports]
        homes = [str(each.home) for each in left_over()]
        document = {"parts": parts, "memory": total, "left_over": homes, **health._asdict()}
        click.echo(json.dumps(document))
    else:
        console = Console(highlight=False)
        console.print(_table(reports))
        console.print(f"\n{health}")
        for each in left_over():
            console.print(_left_over(each), markup=False, soft_wrap=True)
    sys.exit(0 if all(each.state == "up" for each in reports) and health.connector_runs else 1)


def _left_over(found: LeftOver) -> str:
    return (
        f"Left over: Postgres' data of a stack whose folder {printable(found.link.parent)} is gone."
        f" If you did not move that folder, type: rm -r {shlex.quote(str(found.home))}"
    )


def _table(reports: Sequence[PartReport]) -> Table:
    table = Table(box=None, pad_edge=False, show_footer=True)
    total = sum(each.memory or 0 for each in reports) / _MIB
    table.add_column("part", footer="all")
    for title in ("state", "since", "pid", "port"):
        table.add_column(title)
    table.add_column("MiB", justify="right", footer=f"{total:.0f}")
    table.add_column("last exit")
    for each in reports:
        table.add_row(
            each.name,
            f"[{_COLOURS[each.state]}]{each.state}[/]",
            _moment(each.since),
            str(each.pid or ""),
            ", ".join(str(port) for port in each.ports),
            "" if each.memory is None else f"{each.memory / _MIB:.0f}",
            each.last_exit or "",
        )
    return table


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return ""
    moment = datetime.fromtimestamp(seconds).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")
