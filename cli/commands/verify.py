"""`coupon verify`."""

import json
import sys
from collections.abc import Sequence

import click
from rich.console import Console

from cli.exit_codes import NOT_ANSWERED
from cli.options import COUPON_ID, endpoints_option, json_option
from cli.session import Failed, Session, open_session, tell_failures
from cli.verify_tables import show_report, show_strays, show_stream
from connectors.stream_state import StreamState, read_stream_state
from coupons.endpoints import Endpoints
from coupons.errors import KafkaUnavailable
from coupons.kafka_admin import GROUP
from coupons.model import Coupon
from operations.dead_letters.status import DeadLetterStatus, read_unresolved
from operations.verify.in_flight import explain_in_flight
from operations.verify.report import MOST_NAMED, ConsistencyReport, Discrepancy, await_consistency
from operations.verify.unmatched_rows import find_strays


@click.command("verify", short_help="Check that nothing is lost and nothing is oversold.")
@endpoints_option("ops")
@click.option("--coupon", "coupon_id", type=COUPON_ID, help="Only this one.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="How long requests in flight may take to become final.",
)
@click.option(
    "--group",
    envvar="COUPON_CONSUMER_GROUP",
    default=GROUP,
    show_default=True,
    help="Consumer group of the consumers.",
)
@json_option
def command(
    where: Endpoints, coupon_id: int | None, wait: float, group: str, as_json: bool
) -> None:
    """Compare every request in Postgres and in Redis, and count the books of each coupon.

    accepted = issued + rejected + in flight, and admitted = accepted + compensated + not written;
    nothing beyond the total. Requests that do not add up are named, and why: in_flight (on its
    way), dead_letter, lost (a row of which no event came), missing_mark, forgotten or ghost (Redis
    has fewer or more than Postgres), unwritten (admitted and no row), no_coupon (its coupon does
    not exist), no_request (an outcome whose request row is gone: Postgres went back in time).

    \b
    Exit code 0: everything adds up and nothing is in flight any more
              1: something does not add up
              3: not known, because a server does not answer, events do not flow, or a coupon
                 cannot be read

    \b
      coupon verify
      coupon verify --coupon 7 --wait 30
    """
    keep = sys.maxsize if as_json else MOST_NAMED
    with open_session(where) as here:
        failures: list[Failed] = []

        def look(coupon: Coupon) -> ConsistencyReport | None:
            return await_consistency(here.gate, here.connection, coupon.coupon_id, wait, keep)

        found = list(here.each(coupon_id, look, failures))
        strays = find_strays(here.connection, coupon_id, keep)
        letters, trouble = _letters(here)
        checked, stream = explain_in_flight(
            [books for books in found if books is not None],
            lambda: read_stream_state(here.where, here.gate, here.connection, group),
            {letter.key: letter.letter.position for letter in letters if letter.key is not None},
            here.connection,
        )
    if as_json:
        found_strays = [_fault_as_json(each) for each in strays]
        told = {**_as_json(checked, stream, letters, trouble), "strays": found_strays}
        click.echo(json.dumps(told))
    else:
        _show(checked, stream, letters, trouble)
        show_strays(Console(highlight=False), strays)
    if strays or stream.faults or any(books.complaints for books in checked):
        raise click.exceptions.Exit(1)
    tell_failures(failures)
    if stream.unknown or trouble or failures:
        raise click.exceptions.Exit(NOT_ANSWERED)


def _letters(here: Session) -> tuple[list[DeadLetterStatus], str | None]:
    """The open dead letters, or why they are not known."""
    try:
        return read_unresolved(here.where, here.connection), None
    except KafkaUnavailable as error:
        return [], str(error)


def _show(
    checked: Sequence[ConsistencyReport],
    stream: StreamState,
    letters: Sequence[DeadLetterStatus],
    trouble: str | None,
) -> None:
    console = Console(highlight=False)
    for each in checked:
        console.print(f"[bold]Coupon {each.coupon_id}[/]")
        show_report(console, each)
    if not checked:
        console.print("There are no coupons.")
    console.print()
    show_stream(console, stream, len(letters))
    if trouble:
        console.print(f"[yellow]not known:[/] {trouble}", soft_wrap=True)


def _as_json(
    checked: Sequence[ConsistencyReport],
    stream: StreamState,
    letters: Sequence[DeadLetterStatus],
    trouble: str | None,
) -> dict[str, object]:
    return {
        "coupons": [_books_as_json(each) for each in checked],
        "stream": {**stream._asdict(), "slot": stream.slot._asdict()},
        "open_dead_letters": [
            {"letter": letter.letter.position, **_key_as_json(letter)} for letter in letters
        ],
        "faults": stream.faults,
        "not_known": [*stream.unknown, *([trouble] if trouble else [])],
    }


def _key_as_json(letter: DeadLetterStatus) -> dict[str, int | None]:
    coupon_id, user_id = letter.key or (None, None)
    return {"coupon_id": coupon_id, "user_id": user_id}


def _books_as_json(books: ConsistencyReport) -> dict[str, object]:
    return {
        "coupon_id": books.coupon_id,
        "ledger": books.counts._asdict(),
        "gate": books.figures and books.figures._asdict(),
        "gate_closed": books.why_closed,
        "complaints": books.complaints,
        "requests": [_fault_as_json(each) for each in books.faults],
    }


def _fault_as_json(fault: Discrepancy) -> dict[str, object]:
    return {"request_id": fault.request_id, **fault._asdict()}
