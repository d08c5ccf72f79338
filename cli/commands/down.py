"""`coupon down`."""

import json

import click

from cli.options import confirm, json_option, local_state_option
from stack.folder import StateFolder
from stack.lifecycle import data_folders, saves_archive, take_down
from stack.lifecycle import wipe as wipe_data
from stack.options import existing


@click.command("down", short_help="Stop the stack.")
@local_state_option
@click.option("--wipe", is_flag=True, help="Remove its data as well.")
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
@json_option
def command(folder: StateFolder, wipe: bool, yes: bool, as_json: bool) -> None:
    """Stop every part in order: the project's processes, then Connect, registry, Kafka, databases.

    The data stays, and `coupon up` continues with it.

    \b
      coupon down
      coupon down --wipe --yes     also remove all coupons, topics, passwords and logs
    """
    existing(folder)
    removed = _confirmed(folder, yes, as_json) if wipe else []
    stopped: list[str] = []

    def on_stop(name: str, gracefully: bool) -> None:
        stopped.append(name)
        if not as_json:
            how = "stopped" if gracefully else "killed (it did not stop in time)"
            click.echo(f"  {name:<12} {how}", err=True)

    with folder.locked():
        if saves_archive(folder, folder.part_names()) and not as_json:
            click.echo(
                "This stop takes longer: Java saves an archive that makes later starts faster.",
                err=True,
            )
        take_down(folder, folder.part_names(), on_stop)
        if wipe:
            wipe_data(folder)
    if as_json:
        click.echo(json.dumps({"stopped": stopped, "removed": removed}))
    elif not stopped and not removed:
        click.echo("Nothing was running.", err=True)


def _confirmed(folder: StateFolder, yes: bool, quiet: bool) -> list[str]:
    paths = data_folders(folder)
    if not (yes and quiet):
        click.echo("This removes every coupon, request, topic, password and log in", err=True)
        for path in paths:
            click.echo(f"  {path}", err=True)
    if not yes:
        confirm("Remove them?", "Nothing was removed")
    return [str(path) for path in paths]
