"""`coupon dead-letters list|show|replay|discard`."""

import getpass
import json
import os
from collections.abc import Iterable

import click
from confluent_kafka import Producer
from rich.console import Console

from coupons.change_events.producing import producer_config
from coupons.ledger.connection import Connection, connect_ledger
from ops.addresses import Addresses, kafka_client
from ops.dead_letters.acting import Replayer, Result, consequence, discard, no_discard, refusal
from ops.dead_letters.audit import actions_of, take_lock
from ops.dead_letters.options import (
    places_argument,
    rate_option,
    replays_option,
    selection_of,
    selection_options,
)
from ops.dead_letters.selection import Selection, named, select
from ops.dead_letters.showing import result_as_json, show_list, show_one, standing_as_json
from ops.dead_letters.standing import Standing, State, look_at_letters
from ops.options import addresses_option, json_option

_WORKED = {"written", "discarded"}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return f"user {os.getuid()}"


by_option = click.option(
    "--by",
    "acted_by",
    metavar="NAME",
    envvar="COUPON_OPERATOR",
    default=_user,
    help="Who acts, for the audit trail [default: the user who is logged in].",
)
all_option = click.option("--all", "everything", is_flag=True, help="All of them.")
dry_option = click.option("--dry-run", is_flag=True, help="Only tell what would be done.")


@click.group("dead-letters", short_help="Look at change events that were set aside.")
def command() -> None:
    """Change events that the consumer set aside, because they cannot be handled.

    Mend the cause first (the error of each letter names it), then write the records back: the
    consumer takes them as any other, and what is final already stays as it is.

    \b
      coupon dead-letters list                            those that wait for somebody
      coupon dead-letters show 0:17                       everything about one of them
      coupon dead-letters replay 0:17 --dry-run
      coupon dead-letters replay --error-class CheckViolation --rate 50/s
      coupon dead-letters discard 0:17 --reason "a test of ours"
    """


@command.command("list")
@addresses_option("ops")
@selection_options
@replays_option
@json_option
def list_command(where: Addresses, as_json: bool, max_replays: int, **filters: object) -> None:
    """List the letters that are neither resolved nor discarded, or those --in-state.

    \b
      coupon dead-letters list --coupon 7 --since 2h
      coupon dead-letters list --in-state all --limit 20 --json
    """
    with _ledger(where) as connection:
        standings = look_at_letters(where, connection, max_replays)
    chosen = select(standings, selection_of(filters))
    if as_json:
        click.echo(json.dumps([standing_as_json(each) for each in chosen]))
        return
    console = Console(highlight=False)
    if chosen:
        show_list(console, chosen)
    counts = ", ".join(
        f"{number} {state}"
        for state in State
        if (number := sum(each.state is state for each in standings))
    )
    console.print(f"{len(chosen)} listed; of all: {counts or 'no dead letters'}.")


@command.command("show")
@addresses_option("ops")
@click.argument("place", metavar="LETTER")
@json_option
def show_command(where: Addresses, place: str, as_json: bool) -> None:
    """Show everything that is known of one letter, and what was done with it."""
    with _ledger(where) as connection:
        [standing] = named(look_at_letters(where, connection), [place])
        actions = actions_of(connection, standing.letter)
    if as_json:
        click.echo(json.dumps(standing_as_json(standing, actions)))
    else:
        show_one(Console(highlight=False), standing, actions)


@command.command("replay")
@addresses_option("ops")
@places_argument
@selection_options
@all_option
@click.option("--parked", is_flag=True, help="Also those that came back as often as allowed.")
@click.option("--again", is_flag=True, help="Also those that were written back or discarded.")
@rate_option
@replays_option
@by_option
@dry_option
@json_option
def replay_command(
    where: Addresses,
    places: tuple[str, ...],
    everything: bool,
    parked: bool,
    again: bool,
    rate: float,
    max_replays: int,
    acted_by: str,
    dry_run: bool,
    as_json: bool,
    **filters: object,
) -> None:
    """Write records back to where they stood, for the consumer to handle them again.

    \b
      coupon dead-letters replay 0:17 0:18
      coupon dead-letters replay --coupon 7 --dry-run
      coupon dead-letters replay --all --rate 50/s

    Exit code 0 only when every letter that was chosen is written back.
    """
    allowed = {State.OPEN}
    allowed |= {State.PARKED} if parked else set()
    allowed |= {State.REPLAYED, State.DISCARDED} if again else set()
    meant = allowed | {State.PARKED}  # without --parked they are named, and left as they are
    selection = _required(places, everything, selection_of(filters, meant))
    with _ledger(where) as connection:
        if not dry_run:
            take_lock(connection)
        chosen = _chosen(look_at_letters(where, connection, max_replays), places, selection)
        if dry_run:
            results: Iterable[Result] = (
                _foreseen(each, refusal(each, allowed), "write back") for each in chosen
            )
        else:
            producer = Producer(producer_config(kafka_client(where)))
            replayer = Replayer(producer, connection, acted_by, allowed, rate)
            results = replayer.replay(chosen)
        _report(results, len(chosen), as_json, dry_run)


@command.command("discard")
@addresses_option("ops")
@places_argument
@selection_options
@all_option
@click.option(
    "--reason", required=True, help="Why nothing more is to be done, for the audit trail."
)
@by_option
@dry_option
@json_option
def discard_command(
    where: Addresses,
    places: tuple[str, ...],
    everything: bool,
    reason: str,
    acted_by: str,
    dry_run: bool,
    as_json: bool,
    **filters: object,
) -> None:
    """Give letters up. A request of theirs that is not final stays so, and `verify` names it.

    \b
      coupon dead-letters discard 0:17 --reason "garbage of a load test"
    """
    if not reason.strip():
        raise click.UsageError("give a reason that tells the next person why")
    selection = _required(places, everything, selection_of(filters))
    with _ledger(where) as connection:
        if not dry_run:
            take_lock(connection)
        chosen = _chosen(look_at_letters(where, connection), places, selection)
        if dry_run:
            results: Iterable[Result] = (
                _foreseen(each, no_discard(each), f"discard: {consequence(each)}")
                for each in chosen
            )
        else:
            results = discard(connection, chosen, acted_by, reason)
        _report(results, len(chosen), as_json, dry_run)


def _ledger(where: Addresses) -> Connection:
    return connect_ledger(where["COUPON_DATABASE_URL"], "coupon-dead-letters")


def _required(places: tuple[str, ...], everything: bool, selection: Selection) -> Selection:
    narrowed = selection._replace(states=(), limit=None, came_back=True) != Selection()
    if not places and not everything and not narrowed:
        raise click.UsageError(
            "name letters (such as 0:17), narrow them down (--coupon, --error-class, --since), or"
            " say --all"
        )
    return selection


def _chosen(
    standings: list[Standing], places: tuple[str, ...], selection: Selection
) -> list[Standing]:
    return named(standings, places) if places else select(standings, selection)


def _foreseen(standing: Standing, objection: str | None, what: str) -> Result:
    return Result(standing, "skipped" if objection else "dry run", objection or f"would {what}")


def _report(results: Iterable[Result], number: int, as_json: bool, dry_run: bool) -> None:
    """A line each as it is known; exit code 1 when something was not done."""
    known = []
    for place, result in enumerate(results, 1):
        known.append(result)
        if not as_json:
            letter = result.standing.letter.place
            click.echo(f"[{place}/{number}] {letter} {result.outcome}: {result.detail}")
    worked = sum(each.outcome in _WORKED for each in known)
    if as_json:
        click.echo(json.dumps({"done": worked, "results": [result_as_json(r) for r in known]}))
    else:
        click.echo(f"{'Nothing was changed' if dry_run else f'{worked} done'}; {number} chosen.")
    if not dry_run and worked < number:
        raise click.exceptions.Exit(1)
