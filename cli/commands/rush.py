"""`coupon rush`."""

import json
import time
from collections.abc import Mapping

import click
from rich.console import Console

from cli.options import endpoints_option, json_option
from cli.rush_display import show_delay, show_next, shown_live
from cli.verify_tables import show_report
from coupons.endpoints import Endpoints, token_key
from coupons.errors import ConfigurationError
from coupons.gate import Gate, connect_gate
from coupons.gate.delays import percentile, watched_delays
from coupons.ledger.connection import connect_ledger
from coupons.open_files import raise_open_files_limit
from coupons.tokens import mint_token
from operations.rush.claimants import Api, Caller, create_coupon, rush, trickle
from operations.rush.tally import Tally
from operations.verify.report import ConsistencyReport, await_consistency
from stack.endpoints import folder_of

TOKEN_SECONDS = 3600
SETTLING_SECONDS = 30.0
TRYING_USER = 4711
CALM_USERS = 200
CALM_PER_SECOND = 100
OTHER_FILES = 100
"""Descriptors that a rush needs beside one connection a user."""


@click.command("rush", short_help="Run a short rush and show what happens.")
@endpoints_option("ops")
@click.option("--places", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--users", type=click.IntRange(1, 2_000), default=400, show_default=True)
@click.option("--twice", type=click.IntRange(0, 2_000), default=50, show_default=True)
@json_option
def command(where: Endpoints, places: int, users: int, twice: int, as_json: bool) -> None:
    """Create a coupon, let many users claim it at the same moment, and check the books.

    All users come at once, some of them claim twice, and one comes after the coupon was closed.
    Each waits over HTTP until the request is final, as a real client would. Ends with exit code 1
    when the books of Postgres and Redis do not add up.

    \b
      coupon rush
      coupon rush --places 1000 --users 2000 --twice 0
    """
    _check_open_files(users)
    key = token_key(where)

    def mint(user_id: int, scope: str) -> str:
        return mint_token(key, user_id, [scope], TOKEN_SECONDS)

    api = Api(where["COUPON_API_URL"], mint)
    gate = connect_gate(where["COUPON_REDIS_URL"])
    console = Console(quiet=as_json, highlight=False)
    administrator = Caller(api, 1, "coupon:admin")
    coupon_id = create_coupon(administrator, "Rush", places)
    console.print(
        f"\n[bold]A rush[/]: coupon {coupon_id} has {places} places, {users} users claim it at the"
        f" same moment, {min(twice, users)} of them twice.\n",
        soft_wrap=True,
    )
    tally = Tally()
    with watched_delays(gate) as delays_ms, shown_live(console, tally):
        rush(api, coupon_id, users, twice, tally)
        administrator.call("POST", f"/coupons/{coupon_id}/close")
        Caller(api, users + 1, "coupon:issue").claim(coupon_id, 1, tally)
    books = _check_books(gate, where, coupon_id)
    calm_ms = _calm(api, gate, create_coupon(administrator, "Calm", CALM_USERS))
    if as_json:
        click.echo(json.dumps(_result(coupon_id, tally, delays_ms, calm_ms, books)))
    else:
        console.print()
        show_report(console, books)
        show_delay(console, f"{len(delays_ms)} at the same moment", delays_ms)
        show_delay(console, f"{len(calm_ms)} afterwards, {CALM_PER_SECOND} a second", calm_ms)
    if folder_of(where) is not None and not as_json:
        show_next(
            console,
            where,
            create_coupon(administrator, "Try me", 10),
            TRYING_USER,
            mint(TRYING_USER, "coupon:issue"),
        )
    if books.complaints:
        raise click.exceptions.Exit(1)


def _check_open_files(users: int) -> None:
    limit = raise_open_files_limit()
    if limit < users + OTHER_FILES:
        raise ConfigurationError(
            f"{users} users need {users} connections, and this process may open {limit} files:"
            f" raise its limit (`ulimit -n {users + OTHER_FILES}`), or take fewer users"
            f" (`--users {max(1, limit - OTHER_FILES)}`)"
        )


def _calm(api: Api, gate: Gate, coupon_id: int) -> list[float]:
    """Delays in milliseconds when claims come one by one, as on an ordinary day."""
    with watched_delays(gate) as delays_ms:
        accepted = trickle(api, coupon_id, CALM_USERS, CALM_PER_SECOND)
        deadline = time.monotonic() + SETTLING_SECONDS
        while len(delays_ms) < accepted and time.monotonic() < deadline:
            time.sleep(0.02)
    return delays_ms


def _check_books(gate: Gate, where: Mapping[str, str], coupon_id: int) -> ConsistencyReport:
    with connect_ledger(where["COUPON_DATABASE_URL"], "coupon-rush") as connection:
        books = await_consistency(gate, connection, coupon_id, SETTLING_SECONDS)
    assert books is not None
    return books


def _result(
    coupon_id: int,
    tally: Tally,
    delays_ms: list[float],
    calm_ms: list[float],
    books: ConsistencyReport,
) -> dict[str, object]:
    return {
        "coupon_id": coupon_id,
        "answers": dict(tally.answers),
        "outcomes": dict(tally.outcomes),
        "delay_ms": _percentiles(delays_ms),
        "calm_delay_ms": _percentiles(calm_ms),
        "ledger": books.counts._asdict(),
        "gate": books.figures and books.figures._asdict(),
        "complaints": books.complaints,
    }


def _percentiles(delays_ms: list[float]) -> dict[str, float | None]:
    return {"p50": percentile(delays_ms, 50), "p99": percentile(delays_ms, 99)}
