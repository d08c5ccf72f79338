"""Prints the result for each dead letter as soon as it is known."""

import json
from collections.abc import Iterable

import click

from cli.advice import with_commands_for_this_stack
from cli.dead_letter_tables import result_as_json
from operations.dead_letters.actions import Result
from operations.dead_letters.status import DeadLetterStatus

_WORKED = {"written", "discarded"}


def foreseen(status: DeadLetterStatus, objection: str | None, what: str) -> Result:
    """The result of a dry run for one dead letter. objection: why nothing would be done."""
    return Result(status, "skipped" if objection else "dry run", objection or f"would {what}")


def report(results: Iterable[Result], number: int, as_json: bool, dry_run: bool) -> bool:
    """Print one line for each result, or one JSON document at the end.

    number: how many dead letters were selected. Returns whether all of them were done.
    """
    known = []
    for index, result in enumerate(results, 1):
        known.append(result)
        if not as_json:
            letter = result.status.letter.position
            detail = with_commands_for_this_stack(result.detail)
            click.echo(f"[{index}/{number}] {letter} {result.outcome}: {detail}")
    done = sum(each.outcome in _WORKED for each in known)
    if as_json:
        click.echo(json.dumps({"done": done, "results": [result_as_json(r) for r in known]}))
    else:
        click.echo(f"{'Nothing was changed' if dry_run else f'{done} done'}; {number} selected.")
    return dry_run or done == number
