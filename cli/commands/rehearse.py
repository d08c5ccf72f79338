"""`coupon rehearse`: a load through everything with synthetic users, and its purge."""

import json
import re
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from cli.dead_letter_options import by_option, dry_option
from cli.exit_codes import Interrupted
from cli.options import COUPON_ID, confirm, endpoints_option, json_option
from cli.rehearsal_key import key_command
from cli.rehearsal_tables import purge_as_json, rehearsal_as_json, show_preview, show_purge
from cli.session import open_session
from coupons.endpoints import Endpoints
from coupons.errors import CouponError
from coupons.ledger.rehearsals import list_rehearsals
from operations.rehearsal.load import Answers, Size
from operations.rehearsal.purging import preview_purge, purge_rehearsal
from operations.rehearsal.report import as_json as report_as_json
from operations.rehearsal.report import as_markdown, report_of
from operations.rehearsal.run import rehearse
from operations.rehearsal.tokens import check_tokens

_SECONDS = {"s": 1, "m": 60}
_LONGEST_SILENCE_SECONDS = 300.0
"""Of the last claims, until the last of them is final."""


def _rate(_ctx: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    found = re.fullmatch(r"([1-9][0-9]{0,4})(/s)?", value or "1")
    if not found:
        raise click.BadParameter("give claims a second, such as 500/s; at most 99999/s")
    return int(found[1]) if value else None


def _duration(_ctx: click.Context, _option: click.Parameter, value: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,3})([sm])", value)
    if not found or int(found[1]) * _SECONDS[found[2]] > 3_600:
        raise click.BadParameter("give seconds or minutes, such as 60s or 5m; at most 60m")
    return int(found[1]) * _SECONDS[found[2]]


@click.group("rehearse", short_help="Load-test with synthetic users, and purge what is left of it.")
def command() -> None:
    """Let synthetic users claim a coupon that nobody sees, through everything, and purge it.

    \b
      coupon rehearse key rehearsal.pem rehearsal-jwks.json
      coupon rehearse run --rate 500/s --for 60s --report rehearsal.md
      coupon rehearse list
      coupon rehearse purge 17 --dry-run
      coupon rehearse purge 17
    """


@command.command("run", short_help="Claim at a rate, and report what was measured.")
@endpoints_option("ops")
@click.option("--rate", callback=_rate, default="100/s", show_default=True, help="Claims a second.")
@click.option("--for", "seconds", callback=_duration, default="30s", show_default=True)
@click.option(
    "--users",
    type=click.IntRange(1, 10_000_000),
    help="Synthetic users; each claims again when all have [default: one for each claim].",
)
@click.option(
    "--quantity",
    type=click.IntRange(1, 10_000_000),
    help="Total quantity of the coupon [default: one for each user].",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 2_000),
    default=100,
    show_default=True,
    help="Connections to the API; each has one claim under way.",
)
@click.option(
    "--wanted",
    callback=_rate,
    help="The rate for which the report says what to set [default: twice --rate].",
)
@click.option(
    "--report",
    "file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write the report to this file, as Markdown.",
)
@click.option(
    "--key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of `coupon rehearse key`: signs the tokens [default: the secret in COUPON_JWT_KEY_FILE].",
)
@by_option
@json_option
def run(
    where: Endpoints,
    rate: int,
    seconds: int,
    users: int | None,
    quantity: int | None,
    connections: int,
    wanted: int | None,
    file: Path | None,
    key_file: Path | None,
    acted_by: str,
    as_json: bool,
) -> None:
    """Make a coupon for synthetic users, let them claim it over HTTP, and report.

    The claims go through API, gate, Postgres, Debezium, Kafka and consumers as those of users do,
    and load them so. They come on a schedule, however long the answers take. The coupon is shown to
    no user, and other services get no event of it. It stays until you purge it. Where tokens come
    from an identity provider, give the --key of an issuer for rehearsals alone.

    \b
    Exit code 0: done, and every accepted claim is final
              1: some are not
            130: stopped with Ctrl-C; the coupon is closed, and has to be purged

    \b
      coupon rehearse run --rate 500/s --for 60s --report rehearsal.md
      coupon rehearse run --rate 200/s --for 5m --users 1000 --wanted 2000/s
    """
    claims = rate * seconds
    users = min(users or claims, claims)
    size = Size(rate, seconds, users, quantity or users, connections)
    coupon_ids: list[int] = []
    console = Console(stderr=True, highlight=False)

    def began(coupon_id: int, answers: Answers) -> None:
        coupon_ids.append(coupon_id)
        click.echo(f"rehearsal {coupon_id}: {claims:,} claims, {rate:,} a second", err=True)
        shown.enter_context(
            Live(
                console=console,
                get_renderable=lambda: f"{len(answers.answered_ms):,} answers",
                refresh_per_second=2,
                transient=True,
            )
        )

    check_tokens(where, key_file)
    # The session is silent while the claims run.
    with open_session(where, seconds + _LONGEST_SILENCE_SECONDS) as session, ExitStack() as shown:
        try:
            found = rehearse(session, size, acted_by, began, key_file)
        except KeyboardInterrupt:
            raise Interrupted(" ".join(["Stopped.", *map(_how_to_purge, coupon_ids)])) from None
        except CouponError:
            for coupon_id in coupon_ids:
                click.echo(_how_to_purge(coupon_id), err=True)
            raise
    report = report_of(found, wanted or 2 * rate)
    page = as_markdown(report)
    if file is not None:
        file.write_text(page, "utf-8")
    click.echo(json.dumps(report_as_json(report)) if as_json else page)
    click.echo(_how_to_purge(found.coupon_id), err=True)
    if found.counts.in_flight:
        raise click.exceptions.Exit(1)


command.add_command(key_command)


def _how_to_purge(coupon_id: int) -> str:
    return f"`coupon rehearse purge {coupon_id}` removes everything of it."


@command.command("list", short_help="Show the rehearsals, and which are purged.")
@endpoints_option("ops")
@json_option
def list_all(where: Endpoints, as_json: bool) -> None:
    """Show every rehearsal, the newest first, also those that are purged.

    \b
      coupon rehearse list
      coupon rehearse list --json
    """
    with open_session(where) as session:
        found = list_rehearsals(session.connection)
    if as_json:
        click.echo(json.dumps([rehearsal_as_json(each) for each in found]))
        return
    for each in found:
        purged = "there" if each.purged_at is None else f"purged at {each.purged_at.isoformat()}"
        click.echo(f"{each.coupon_id}: began at {each.begun_at.isoformat()}, {purged}")
    if not found:
        click.echo("There was no rehearsal.")


@command.command("purge", short_help="Remove everything of a rehearsal, and prove it.")
@endpoints_option("ops")
@click.argument("coupon_id", metavar="COUPON", type=COUPON_ID)
@dry_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
@json_option
def purge(
    where: Endpoints, coupon_id: int, dry_run: bool, yes: bool, acted_by: str, as_json: bool
) -> None:
    """Remove a rehearsal from Postgres and Redis, look again, and print the proof.

    Every table that names a coupon is emptied of it, and every key of Redis. One line in the audit
    trail stays, and the id, which is never used again. Kafka keeps the records until the time that
    the proof says; they issue nothing any more. Repeating it is harmless.

    \b
    Exit code 0: nothing is left
              1: a request is not final, or a rebuild runs: nothing was purged; or something is left
              2: the coupon is no rehearsal
              3: Postgres, Redis or Kafka does not answer; repeat it

    \b
      coupon rehearse purge 17 --dry-run
      coupon rehearse purge 17
    """
    with open_session(where) as session:
        if dry_run:
            show_preview(coupon_id, preview_purge(session, coupon_id), as_json)
            return
        if not yes:
            confirm(f"Remove everything of rehearsal {coupon_id}?", "nothing was purged")
        done = purge_rehearsal(session, coupon_id, acted_by)
    if as_json:
        click.echo(json.dumps(purge_as_json(done)))
    else:
        show_purge(done)
    if not done.after.is_nothing:
        click.echo("Something is left: repeat the command.", err=True)
        raise click.exceptions.Exit(1)
