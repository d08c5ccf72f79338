"""Stops single parts of a stack, for `coupon stop` and `coupon restart`."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from cli.options import complete_part
from stack.folder import StateFolder
from stack.lifecycle import take_down

parts_argument: Callable[..., Any] = click.argument(
    "parts", nargs=-1, required=True, shell_complete=complete_part
)
now_option: Callable[..., Any] = click.option(
    "--now", is_flag=True, help="Kill at once (SIGKILL), for a part that hangs."
)


def stop_parts(folder: StateFolder, parts: Sequence[str], now: bool, quiet: bool) -> list[str]:
    """Stop the named parts in order; return the names of those that were running.

    Raises SettingError for a name that is not a part of this stack.
    """
    for part in parts:
        folder.started_part(part)
    stopped: list[str] = []

    def on_stop(name: str, gracefully: bool) -> None:
        stopped.append(name)
        how = "stopped" if gracefully else "killed" if now else "killed (it did not stop in time)"
        if not quiet:
            click.echo(f"  {name:<12} {how}", err=True)

    take_down(folder, parts, on_stop, 0.0 if now else None)
    return stopped
