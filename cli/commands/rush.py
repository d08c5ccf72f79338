"""`coupon rush`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from cli.options import endpoints_option, json_option
from cli.rush_display import show_delay, show_next, shown_live
from cli.verify_tables import show_report
from coupons.endpoints import Endpoints, token_key
from coupons.gate.delays import percentile
from coupons.tokens import mint_token
from operations.rush.claimants import Api, Caller, create_coupon
from operations.rush.run import CALM_PER_SECOND, RushResult, RushSize, run_rush
from operations.rush.tally import Tally
from stack.endpoints import folder_of

TOKEN_SECONDS = 3600
TRYING_USER = 4711


@click.command("rush", short_help="Let many users claim a coupon at once.")
@endpoints_option("ops")
@click.option(
    "--places",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Total quantity of the coupon.",
)
@click.option(
    "--users",
    type=click.IntRange(1, 2_000),
    default=400,
    show_default=True,
    help="Users who claim it.",
)
@click.option(
    "--twice",
    type=click.IntRange(0, 2_000),
    default=50,
    show_default=True,
    help="Users who claim it twice.",
)
@json_option
def command(where: Endpoints, places: int, users: int, twice: int, as_json: bool) -> None:
    """Create a coupon, let many users claim it at the same moment, and compare the counts.

    All users claim at once, some of them twice, and one claims after the coupon was closed. Each
    waits over HTTP until the request is final, as a real client does. Exit code 1 when the counts
    of Postgres and Redis do not add up.

    \b
      coupon rush
      coupon rush --places 1000 --users 2000 --twice 0
    """
    key = token_key(where)

    def mint(user_id: int, scope: str) -> str:
        return mint_token(key, user_id, [scope], TOKEN_SECONDS)

    api = Api(where["COUPON_API_URL"], mint)
    console = Console(quiet=as_json, highlight=False)

    @contextmanager
    def watching(coupon_id: int, tally: Tally) -> Iterator[None]:
        console.print(
            f"\n[bold]A rush[/]: {users} users claim coupon {coupon_id} with a total of {places} at"
            f" the same moment, {min(twice, users)} of them twice.\n",
            soft_wrap=True,
        )
        with shown_live(console, tally):
            yield

    result = run_rush(where, api, RushSize(places, users, twice), watching)
    if as_json:
        click.echo(json.dumps(_as_json(result)))
    else:
        _show(console, result)
        if folder_of(where) is not None:
            to_try = create_coupon(Caller(api, 1, "coupon:admin"), "Try me", 10)
            show_next(console, where, to_try, TRYING_USER, mint(TRYING_USER, "coupon:issue"))
    if result.report.complaints:
        raise click.exceptions.Exit(1)


def _show(console: Console, result: RushResult) -> None:
    console.print()
    show_report(console, result.report)
    delays, calm = result.delays_ms, result.calm_delays_ms
    show_delay(console, f"{len(delays)} at the same moment", delays)
    show_delay(console, f"{len(calm)} afterwards, {CALM_PER_SECOND} a second", calm)


def _as_json(result: RushResult) -> dict[str, object]:
    report = result.report
    return {
        "coupon_id": result.coupon_id,
        "answers": dict(result.tally.answers),
        "outcomes": dict(result.tally.outcomes),
        "delay_ms": _percentiles(result.delays_ms),
        "calm_delay_ms": _percentiles(result.calm_delays_ms),
        "ledger": report.counts._asdict(),
        "gate": report.figures and report.figures._asdict(),
        "complaints": report.complaints,
    }


def _percentiles(delays_ms: list[float]) -> dict[str, float | None]:
    return {"p50": percentile(delays_ms, 50), "p99": percentile(delays_ms, 99)}
