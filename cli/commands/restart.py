"""`coupon restart`."""

import json

import click
from rich.console import Console

from cli.options import json_option, local_state_option
from cli.starting import start_stack
from cli.stopping import now_option, parts_argument, stop_parts
from stack.folder import StateFolder
from stack.options import existing


@click.command("restart", short_help="Stop single parts and start them again.")
@parts_argument
@local_state_option
@now_option
@json_option
def command(parts: tuple[str, ...], folder: StateFolder, now: bool, as_json: bool) -> None:
    """Stop PARTS, start them and every other part that is down, and wait until all work.

    `coupon status` lists the names. A part that does not stop in time is killed, so this also
    restarts a part that hangs.

    \b
      coupon restart consumer-1
      coupon restart kafka --now       do not wait for it to stop
    """
    console = Console(stderr=True, quiet=as_json, highlight=False)
    options = existing(folder)
    with folder.locked():
        stopped = stop_parts(folder, parts, now, quiet=as_json)
        started = start_stack(folder, options, console)
    if as_json:
        click.echo(json.dumps({"stopped": stopped, "started": started}))
