"""A state of the runbook to find and repair: python -m chaos.drill --state "Kafka is down" """

import random
import shutil
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from chaos.drill.catalogue import NOT_CAUSED, STATES
from chaos.drill.detection import measure
from chaos.drill.detection_table import misses, save, table
from chaos.drill.exercise import exercise
from chaos.drill.prometheus import PROGRAM
from chaos.drill.site import Site
from cli.exit_codes import Interrupted
from cli.failures import run_program
from stack.disposable import disposable_stack


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--state", metavar="STATE", help="A heading of the runbook [default: at random].")
@click.option("--seed", type=int, help="Decides which state [default: another one each time].")
@click.option("--minutes", default=20.0, show_default=True, help="After that the drill ends.")
@click.option("--list", "lists", is_flag=True, help="Print the states, and end.")
@click.option(
    "--detection",
    is_flag=True,
    help="Kill each part once, and write how soon it is named; minutes.",
)
def main(state: str | None, seed: int | None, minutes: float, lists: bool, detection: bool) -> None:
    """Cause one state of the runbook on a stack of its own, for you to find and repair.

    It says what a user notices, and waits until `coupon doctor` finds nothing wrong any more. Then
    it says what it was, how long it took, and what was missed. It removes the stack afterwards,
    also after Ctrl-C.

    \b
      make drill
      make drill SEED=7
      make drill STATE="Kafka is down"
      python -m chaos.drill --list

    Exits with 0 when the system was healthy again and nothing was missed, and with 1 when not.
    """
    if lists:
        _print_states()
    elif detection:
        sys.exit(0 if _measure() else 1)
    else:
        sys.exit(0 if _drill(_chosen(state, seed), minutes * 60) else 1)


def _chosen(state: str | None, seed: int | None) -> str:
    if state is None:
        seed = random.randrange(1_000_000) if seed is None else seed
        click.echo(f"Seed {seed}: repeats this drill.")
        return random.Random(seed).choice(list(STATES))
    by_name = {name.lower(): name for name in STATES}
    if state.lower() in by_name:
        return by_name[state.lower()]
    why = {str(section).lower(): why for section, why in NOT_CAUSED.items()}.get(state.lower())
    raise click.UsageError(
        f"no drill causes {state!r}. {why}" if why else f"no such state: {state!r}; see --list"
    )


def _print_states() -> None:
    for name in STATES:
        click.echo(name)
    click.echo("\nNot caused by a drill:")
    for section, why in NOT_CAUSED.items():
        click.echo(f"{section}: {why}")


def _drill(name: str, limit_s: float) -> bool:
    try:
        with disposable_stack() as stack, closing(Site(stack)) as site:
            return exercise(site, STATES[name], limit_s, click.echo)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(f"\nIt was: {name}. The stack is removed.") from interrupt


def _measure() -> bool:
    if shutil.which(PROGRAM) is None:
        raise click.UsageError("this needs Prometheus; on Debian: apt install prometheus")
    with (
        disposable_stack() as stack,
        closing(Site(stack)) as site,
        TemporaryDirectory() as folder,
        site.claiming(),
    ):
        found = list(measure(stack, site, Path(folder) / PROGRAM, click.echo))
    click.echo(f"\n{table(found)}")
    save(table(found))
    return not misses(found)


if __name__ == "__main__":
    run_program(main)
