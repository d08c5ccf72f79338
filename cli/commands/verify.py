"""`coupon verify`."""

import json
import sys

import click
from rich.console import Console

from cli.exit_codes import NOT_ANSWERED
from cli.options import COUPON_ID, Seconds, endpoints_option, json_option
from cli.session import open_session, print_failures
from cli.verify_tables import show_report, show_stream, show_unmatched
from coupons.change_events.kafka_admin import GROUP
from coupons.endpoints import Endpoints
from operations.dead_letters.status import DeadLetterStatus
from operations.verify.report import MOST_NAMED, ConsistencyReport, Discrepancy
from operations.verify.verification import Verification, verify


@click.command("verify", short_help="Check that nothing is lost and nothing is oversold.")
@endpoints_option("ops")
@click.option("--coupon", "coupon_id", type=COUPON_ID, help="Only this one.")
@click.option(
    "--wait",
    type=Seconds(min=0),
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
    """Compare every request in Postgres and in Redis, and check the counts of each coupon.

    accepted = issued + rejected + in flight, and admitted = accepted + compensated + not written;
    never more issued than the total. Requests that do not add up are listed with the reason:

    \b
    in_flight     accepted and not final yet
    dead_letter   its change event is a dead letter
    lost          its change event no longer exists
    missing_mark  final in Postgres, not in Redis
    forgotten     in Postgres, unknown in Redis
    ghost         final in Redis, not in Postgres
    unwritten     admitted in Redis, no row in Postgres
    other         the outcome, time or reason differs
    no_coupon     its coupon does not exist
    no_request    its request row is missing: Postgres went back in time

    Where issued coupons were changed: issued = active + used + expired + revoked. Changes that no
    program writes are listed too; they come from a restore in part, or from a correction by hand:

    \b
    not_issued    the issued coupon does not exist
    broken_chain  it does not continue the change before it
    late_use      it is later than the time at which the issued coupon expired

    Of codes: each uploaded one is there, none is there twice, and each issued coupon can get one.
    Those that no program gives are listed too:

    \b
    not_issued    the issued coupon does not exist
    two_codes     the issued coupon has more than one
    late_code     it was given after the issued coupon had expired or was revoked
    wrong_check   it was made, and its check character is wrong

    Of standby lists: the coupon's total is what its changes made of it. Entries that
    no program leaves so are listed too:

    \b
    not_requested  promoted, and there is no request
    still_waits    in line, and there is a request
    overtaken      in line, and somebody behind was promoted before

    Of lists of users: each is complete in Postgres, and the gate holds the same users.

    The gate has forgotten archived coupons, whose requests are all final: they are checked only by
    --coupon, and then in Postgres alone. The rows above are searched for them too. Of a retired one
    the counts that were kept have to add up: its rows are in files.

    Ledger and gate are read one after the other. While claims come in, the counts cannot add up,
    and it says so: pause the coupon, or wait until the sale is over.

    \b
    Exit code 0: everything adds up and nothing is in flight any more
              1: something does not add up
              3: not known: a server does not answer, the connector does not run, or a row
                 of a coupon cannot be read

    \b
      coupon verify
      coupon verify --coupon 7 --wait 30
    """
    keep = sys.maxsize if as_json else MOST_NAMED
    with open_session(where) as session:
        result = verify(session, coupon_id, wait, group, keep)
    if as_json:
        click.echo(json.dumps(_as_json(result)))
    else:
        _show(result)
    if result.is_wrong:
        raise click.exceptions.Exit(1)
    print_failures(result.failures)
    if result.unknown or result.failures:
        raise click.exceptions.Exit(NOT_ANSWERED)


def _show(result: Verification) -> None:
    console = Console(highlight=False)
    lives = {life.coupon_id: life for life in result.lives}
    codes = {each.coupon_id: each for each in result.codes}
    lines = {each.coupon_id: each for each in result.lines}
    for report in result.reports:
        coupon_id = report.coupon_id
        console.print(f"[bold]Coupon {coupon_id}[/]")
        show_report(
            console, report, lives.get(coupon_id), codes.get(coupon_id), lines.get(coupon_id)
        )
    if not result.reports:
        console.print("There are no coupons to check.")
    if result.archived:
        console.print(
            f"{result.archived:,} archived coupons were settled then: --coupon checks one again.",
            soft_wrap=True,
        )
    console.print()
    show_stream(console, result.stream, len(result.dead_letters))
    if result.dead_letters_error:
        console.print(f"[yellow]not known:[/] {result.dead_letters_error}", soft_wrap=True)
    show_unmatched(console, result.unmatched, result.wrong_counts)


def _as_json(result: Verification) -> dict[str, object]:
    stream = result.stream
    return {
        "coupons": [_report_as_json(each) for each in result.reports],
        "stream": {**stream._asdict(), "slot": stream.slot._asdict()},
        "open_dead_letters": [_dead_letter_as_json(each) for each in result.dead_letters],
        "stream_losses": stream.losses,
        "not_known": result.unknown,
        "unmatched": [_discrepancy_as_json(each) for each in result.unmatched],
        "lives": [each._asdict() for each in result.lives],
        "codes": [each._asdict() for each in result.codes],
        "lines": [each._asdict() for each in result.lines],
        "wrong_audiences": list(result.wrong_audiences),
        "archived": result.archived,
    }


def _dead_letter_as_json(letter: DeadLetterStatus) -> dict[str, object]:
    coupon_id, user_id = letter.key or (None, None)
    return {"letter": letter.letter.position, "coupon_id": coupon_id, "user_id": user_id}


def _report_as_json(report: ConsistencyReport) -> dict[str, object]:
    return {
        "coupon_id": report.coupon_id,
        "ledger": report.counts._asdict(),
        "gate": report.figures and report.figures._asdict(),
        "unavailable_reason": report.unavailable_reason,
        "complaints": report.complaints,
        "claims_came_in": report.claims_came_in,
        "retired_at": report.retired_at and report.retired_at.isoformat(),
        "requests": [_discrepancy_as_json(each) for each in report.discrepancies],
    }


def _discrepancy_as_json(found: Discrepancy) -> dict[str, object]:
    return {"request_id": found.request_id, **found._asdict()}
