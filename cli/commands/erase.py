"""`coupon erase`."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.dead_letter_options import by_option
from cli.kept_records import kept_days, moment_as_json, show_kept
from cli.open_exports import print_open
from cli.options import FOLDER, USER_ID, confirm, endpoints_option, json_option
from cli.session import open_session
from coupons.endpoints import Endpoints
from coupons.errors import NotThere
from coupons.ledger.erasures import Erasure, UserInFlight, find_erasure
from coupons.ledger.exports_to_erase import count_exports_to_erase
from operations.erasing import Erased, Preview, erase, preview
from operations.retiring.open_exports import ErasedExports, erase_exports
from operations.session import Session


@click.command("erase", short_help="Erase a user from ledger, gate, audit trails and dead letters.")
@endpoints_option("ops")
@click.option("--user", "user_id", type=USER_ID, help="The user to erase.")
@click.option("--proof", "proof_id", type=click.UUID, help="Only show this proof again.")
@click.option("--exports", is_flag=True, help="Only finish in the files of retired coupons.")
@click.option(
    "--exports-in",
    "moved_to",
    metavar="FOLDER",
    type=FOLDER,
    help="Where the folders of `coupon retire` are now [default: where they were written].",
)
@click.option("--dry-run", is_flag=True, help="Show what there is of the user; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
@json_option
def command(
    where: Endpoints,
    user_id: int | None,
    proof_id: UUID | None,
    exports: bool,
    moved_to: Path | None,
    dry_run: bool,
    yes: bool,
    acted_by: str,
    as_json: bool,
) -> None:
    """Erase a user for good, and print the proof. It cannot be undone.

    Files of retired coupons are searched too, and written again without the user. While they cannot
    be read, the proof names them as open: `coupon erase --exports` finishes it, for every user who
    was erased.

    What is counted stays: rows get an id that is nobody's, so that every count still adds up, and
    what the user took stays taken. The proof says when the request topic and the events will have
    no record of the user any more.

    --dry-run says what would be erased, and whether it would be refused now (exit code 1).

    \b
    Exit code 0: erased; or, with --proof, found
              1: a request of the user is not final, or a rebuild runs: nothing was erased; or a
                 dead letter of the user is left, or files are open
              2: there is no such proof
              3: Postgres, Redis or Kafka does not answer; repeat it

    \b
      coupon erase --user 4711 --dry-run
      coupon erase --user 4711
      coupon erase --exports
      coupon erase --proof 0b8c6a52-7d5e-4f0e-9d3a-1c2b3d4e5f60
    """
    if (user_id is not None) + (proof_id is not None) + exports != 1:
        raise click.UsageError("give one of --user, --proof and --exports")
    with open_session(where) as session:
        try:
            if proof_id is not None:
                _show(session, proof_id, as_json)
            elif exports:
                _finish(erase_exports(session.connection, acted_by, None, moved_to), as_json)
            elif user_id is not None and dry_run:
                _foresee(user_id, preview(session, user_id), as_json)
            elif user_id is not None:
                if not yes:
                    confirm(f"Erase user {user_id} for good?", "nothing was erased")
                _report(erase(session, user_id, acted_by, moved_to), as_json)
        except UserInFlight as error:
            raise click.ClickException(str(error)) from error


def _show(session: Session, proof_id: UUID, as_json: bool) -> None:
    erasure = find_erasure(session.connection, proof_id)
    if erasure is None:
        raise NotThere(f"There is no proof {proof_id}.")
    exports = count_exports_to_erase(session.connection, proof_id)
    if as_json:
        click.echo(json.dumps({**_as_json(erasure), "open_exports": exports}))
        return
    _print(erasure)
    if exports:
        click.echo(f"  files of retired coupons: {exports:,} open; `coupon erase --exports`")


def _finish(done: ErasedExports, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"exports": _exports_as_json(done)}))
    else:
        _print_exports(done)
    if done.left:
        raise click.exceptions.Exit(1)


def _foresee(user_id: int, found: Preview, as_json: bool) -> None:
    if as_json:
        counts = {"counts": found.counts, "dead_letters": found.dead_letters}
        kept = {"log_keeps_days": kept_days(found.log_keeps)}
        click.echo(json.dumps({"dry_run": True, **counts, **kept, "refused": found.refused}))
    else:
        _print_preview(user_id, found)
    if found.refused is not None:
        raise click.exceptions.Exit(1)


def _print_preview(user_id: int, found: Preview) -> None:
    if found.refused is not None:
        click.echo(f"It would be refused now. {found.refused}")
    click.echo(f"of user {user_id}:")
    _print_counts(found.counts)
    if found.refused is not None:
        click.echo("  what else names the user is counted once nothing of them is under way")
    click.echo(f"  dead letters: {found.dead_letters:,}")
    show_kept(found.log_keeps)


def _report(done: Erased, as_json: bool) -> None:
    if as_json:
        letters = {"deleted": done.dead_letters, "left": done.dead_letters_left}
        others: dict[str, Any] = {
            "dead_letters": letters,
            "exports": _exports_as_json(done.exports),
        }
        others["open_exports"] = len(done.exports.left)
        click.echo(json.dumps({**_as_json(done.erasure), **others}))
    else:
        _print(done.erasure)
        click.echo(f"dead letters deleted: {done.dead_letters:,}")
        _print_exports(done.exports)
    if done.dead_letters_left:
        click.echo(
            f"{done.dead_letters_left:,} dead letters of the user are left: others before them"
            " need an operator, and Kafka deletes only from the beginning. See to those"
            " (`coupon dead-letters list`), then repeat this.",
            err=True,
        )
    if done.dead_letters_left or done.exports.left:
        raise click.exceptions.Exit(1)


def _print(erasure: Erasure) -> None:
    click.echo(f"proof {erasure.erasure_id}")
    click.echo(f"  asked for by {erasure.asked_by}")
    click.echo(f"  ledger: at {erasure.erased_at.isoformat()}")
    at_gate = erasure.at_gate_since
    click.echo("  gate: " + ("not yet" if at_gate is None else f"at {at_gate.isoformat()}"))
    ends = erasure.log_forgets_at
    kept = "kept for good" if ends is None else f"all deleted by {ends.isoformat()}"
    click.echo(f"  request topic and events: {kept}")
    _print_counts(erasure.counts)


def _print_exports(done: ErasedExports) -> None:
    click.echo(
        f"files of retired coupons: {done.searched:,} searched, {done.rewritten:,} written again"
    )
    print_open(done.left)


def _exports_as_json(done: ErasedExports) -> dict[str, Any]:
    left = [each._asdict() for each in done.left]
    return {"searched": done.searched, "rewritten": done.rewritten, "open": left}


def _print_counts(counts: dict[str, int]) -> None:
    for table, number in sorted(counts.items()):
        if number:
            click.echo(f"  {table}: {number:,}")


def _as_json(erasure: Erasure) -> dict[str, Any]:
    return {
        "erasure_id": str(erasure.erasure_id),
        "erased_at": erasure.erased_at.isoformat(),
        "asked_by": erasure.asked_by,
        "counts": erasure.counts,
        "at_gate_since": moment_as_json(erasure.at_gate_since),
        "log_forgets_at": moment_as_json(erasure.log_forgets_at),
        "repeated": erasure.repeated,
    }
