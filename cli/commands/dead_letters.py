"""`coupon dead-letters list|show|replay|discard`."""

import json
import sys
from collections.abc import Iterable

import click
from rich.console import Console

from cli.dead_letter_options import (
    all_option,
    by_option,
    dry_option,
    positions_argument,
    rate_option,
    replays_option,
    require_choice,
    selection_of,
    selection_options,
)
from cli.dead_letter_results import foreseen, report
from cli.dead_letter_tables import show_list, show_one, status_as_json
from cli.options import endpoints_option, json_option
from coupons.change_events.producing import PRODUCER_SETTINGS
from coupons.endpoints import Endpoints
from coupons.ledger.connection import Connection, connect_ledger
from operations.dead_letters.actions import (
    Replayer,
    Result,
    consequence,
    discard,
    no_discard,
    refusal,
)
from operations.dead_letters.audit import actions_of, take_lock
from operations.dead_letters.selection import choose, named, select
from operations.dead_letters.status import State, read_statuses


@click.group("dead-letters", short_help="Show and replay change events that could not be handled.")
def command() -> None:
    """Dead letters: change events that the consumer could not handle.

    Repair the cause first (the error of each dead letter names it), then replay the records: the
    consumer handles them like any other, and a request that is final stays as it is.

    \b
      coupon dead-letters list                            those that are not resolved
      coupon dead-letters show 0:17                       everything about one of them
      coupon dead-letters replay 0:17 --dry-run
      coupon dead-letters replay --error-class CheckViolation --rate 50/s
      coupon dead-letters discard 0:17 --reason "a test of ours"
    """


@command.command("list")
@endpoints_option("ops")
@selection_options
@replays_option
@json_option
def list_command(where: Endpoints, as_json: bool, max_replays: int, **filters: object) -> None:
    """List the dead letters that are neither resolved nor discarded, or those --in-state.

    \b
      coupon dead-letters list --coupon 7 --since 2h
      coupon dead-letters list --in-state all --limit 20 --json
    """
    with _ledger(where) as connection:
        statuses = read_statuses(where, connection, max_replays)
    chosen = select(statuses, selection_of(filters))
    if as_json:
        click.echo(json.dumps([status_as_json(each) for each in chosen]))
        return
    console = Console(highlight=False)
    if chosen:
        show_list(console, chosen)
    counts = ", ".join(
        f"{number} {state}"
        for state in State
        if (number := sum(each.state is state for each in statuses))
    )
    console.print(f"{len(chosen)} listed; of all: {counts or 'no dead letters'}.")


@command.command("show")
@endpoints_option("ops")
@click.argument("position", metavar="LETTER")
@json_option
def show_command(where: Endpoints, position: str, as_json: bool) -> None:
    """Show one dead letter and the actions of operators on it.

    \b
      coupon dead-letters show 0:17
    """
    with _ledger(where) as connection:
        [status] = named(read_statuses(where, connection), [position])
        actions = actions_of(connection, status.letter)
    if as_json:
        click.echo(json.dumps(status_as_json(status, actions)))
    else:
        show_one(Console(highlight=False), status, actions)


@command.command("replay")
@endpoints_option("ops")
@positions_argument
@selection_options
@all_option
@click.option("--parked", is_flag=True, help="Also those that failed again as often as allowed.")
@click.option("--again", is_flag=True, help="Also those that were replayed or discarded.")
@rate_option
@replays_option
@by_option
@dry_option
@json_option
def replay_command(
    where: Endpoints,
    positions: tuple[str, ...],
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
    """Write records back to their topic and partition, so that the consumer handles them again.

    \b
      coupon dead-letters replay 0:17 0:18
      coupon dead-letters replay --coupon 7 --dry-run
      coupon dead-letters replay --all --rate 50/s

    Exit code 0 only when every selected dead letter is replayed.
    """
    allowed = {State.OPEN}
    allowed |= {State.PARKED} if parked else set()
    allowed |= {State.REPLAYED, State.DISCARDED} if again else set()
    meant = allowed | {State.PARKED}  # without --parked they are named, and left as they are
    selection = require_choice(positions, everything, selection_of(filters, meant))
    with _ledger(where) as connection:
        if not dry_run:
            take_lock(connection)
        chosen = choose(read_statuses(where, connection, max_replays), positions, selection)
        if dry_run:
            results: Iterable[Result] = (
                foreseen(each, refusal(each, allowed), "write back") for each in chosen
            )
        else:
            producer = where.kafka_client().producer(PRODUCER_SETTINGS)
            replayer = Replayer(producer, connection, acted_by, allowed, rate)
            results = replayer.replay(chosen)
        done = report(results, len(chosen), as_json, dry_run)
    sys.exit(0 if done else 1)


@command.command("discard")
@endpoints_option("ops")
@positions_argument
@selection_options
@all_option
@click.option(
    "--reason", required=True, help="Why nothing more has to be done, for the audit trail."
)
@by_option
@dry_option
@json_option
def discard_command(
    where: Endpoints,
    positions: tuple[str, ...],
    everything: bool,
    reason: str,
    acted_by: str,
    dry_run: bool,
    as_json: bool,
    **filters: object,
) -> None:
    """Give dead letters up. A request that is not final stays so, and `verify` names it.

    \b
      coupon dead-letters discard 0:17 --reason "garbage of a load test"
    """
    if not reason.strip():
        raise click.UsageError("give a reason that tells the next person why")
    selection = require_choice(positions, everything, selection_of(filters))
    with _ledger(where) as connection:
        if not dry_run:
            take_lock(connection)
        chosen = choose(read_statuses(where, connection), positions, selection)
        if dry_run:
            results: Iterable[Result] = (
                foreseen(each, no_discard(each), f"discard: {consequence(each)}") for each in chosen
            )
        else:
            results = discard(connection, chosen, acted_by, reason)
        done = report(results, len(chosen), as_json, dry_run)
    sys.exit(0 if done else 1)


def _ledger(where: Endpoints) -> Connection:
    return connect_ledger(where["COUPON_DATABASE_URL"], "coupon-dead-letters")
