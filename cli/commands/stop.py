"""`coupon stop`."""

import json

import click

from cli.options import json_option, local_state_option
from cli.stopping import now_option, parts_argument, stop_parts
from stack.folder import StateFolder
from stack.options import existing


@click.command("stop", short_help="Stop single parts.")
@parts_argument
@local_state_option
@now_option
@json_option
def command(parts: tuple[str, ...], folder: StateFolder, now: bool, as_json: bool) -> None:
    """Stop PARTS; the others keep running and wait for them.

    `coupon status` lists the names. A part that does not stop in time is killed. `coupon up` starts
    the parts that are down.

    \b
      coupon stop consumer-1
      coupon stop connect registry
      coupon stop kafka --now          kill it at once, as a crash would
    """
    existing(folder)
    with folder.locked():
        stopped = stop_parts(folder, parts, now, quiet=as_json)
    if as_json:
        click.echo(json.dumps({"stopped": stopped}))
    elif not stopped:
        click.echo("Nothing was running.", err=True)
