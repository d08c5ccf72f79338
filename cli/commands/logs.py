"""`coupon logs`."""

import json
import time
from pathlib import Path

import click

from cli.options import complete_part, json_option, local_state_option
from stack.folder import StateFolder
from stack.options import existing

_POLL_S = 0.2


@click.command("logs", short_help="Show the log of a part.")
@click.argument("part", shell_complete=complete_part)
@local_state_option
@click.option(
    "-n", "lines", type=click.IntRange(0), default=50, show_default=True, help="Number of lines."
)
@click.option("-f", "--follow", is_flag=True, help="Follow the log until Ctrl-C.")
@json_option
def command(part: str, folder: StateFolder, lines: int, follow: bool, as_json: bool) -> None:
    """Show the last lines of the log of PART (`coupon status` lists the names).

    \b
      coupon logs connect
      coupon logs consumer-1 -f
    """
    existing(folder)
    files = folder.started_part(part)
    tail = files.log_tail(lines)
    if as_json:
        click.echo(json.dumps({"part": part, "file": str(files.log), "lines": tail}))
        return
    end = files.log.stat().st_size if files.log.exists() else 0
    for line in tail:
        click.echo(line)
    if follow:
        _follow(files.log, end)


def _follow(log: Path, offset: int) -> None:
    while True:
        size = log.stat().st_size if log.exists() else 0
        # A part that was restarted may have begun a new file.
        offset = 0 if size < offset else offset
        if size > offset:
            with log.open("rb") as file:
                file.seek(offset)
                written = file.read()
            offset += len(written)
            click.echo(written.decode("utf-8", "replace"), nl=False)
        time.sleep(_POLL_S)
