"""Tells what becomes of each letter, as it is known."""

import json
from collections.abc import Iterable

import click

from cli.advice import with_commands_for_this_stack
from cli.dead_letter_tables import result_as_json
from operations.dead_letters.actions import Result
from operations.dead_letters.status import DeadLetterStatus

_WORKED = {"written", "discarded"}


def foreseen(standing: DeadLetterStatus, objection: str | None, what: str) -> Result:
    """What would become of a letter. objection: why nothing would."""
    return Result(standing, "skipped" if objection else "dry run", objection or f"would {what}")


def report(results: Iterable[Result], number: int, as_json: bool, dry_run: bool) -> bool:
    """A line each, or one JSON document at the end; whether all `number` letters were done."""
    known = []
    for place, result in enumerate(results, 1):
        known.append(result)
        if not as_json:
            letter = result.standing.letter.place
            detail = with_commands_for_this_stack(result.detail)
            click.echo(f"[{place}/{number}] {letter} {result.outcome}: {detail}")
    done = sum(each.outcome in _WORKED for each in known)
    if as_json:
        click.echo(json.dumps({"done": done, "results": [result_as_json(r) for r in known]}))
    else:
        click.echo(f"{'Nothing was changed' if dry_run else f'{done} done'}; {number} chosen.")
    return dry_run or done == number
