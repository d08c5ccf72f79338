"""What every `coupon client` command takes, and how it ends."""

import json
import os
from collections.abc import Callable, Iterator
from functools import update_wrapper
from itertools import islice
from pathlib import Path
from typing import Any

import click

from cli.client_tables import print_result, print_table
from cli.exit_codes import NotAnswered, WrongUse
from cli.options import Seconds, endpoints_option, json_option
from coupon_client import CouponClient, Refused, Unreachable
from coupon_client.client import WITHIN_SECONDS
from coupon_client.json_values import document_of
from coupons.endpoints import API_URL, Endpoints
from coupons.errors import ConfigurationError

TOKEN = "COUPON_TOKEN"  # noqa: S105 the name of a variable
_WRONG_USE = (400, 401, 404, 413, 414, 415, 422, 428)
"""Statuses of a call that can't be made as typed, or names what is not there."""

limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Most to show."
)


def client_command(call: Callable[..., Any]) -> click.Command:
    """The command of a function that is given a client, and returns what is printed.

    An iterator is printed as a list; its command takes `limit_option`.
    """

    def run(
        where: Endpoints,
        url: str | None,
        token_file: Path | None,
        within_seconds: float,
        as_json: bool,
        **arguments: Any,
    ) -> None:
        url = url or where[API_URL]
        limit = arguments.pop("limit", None)
        try:
            with _client(url, _token(token_file), within_seconds) as client:
                result = call(client, **arguments)
                _print(result if limit is None else _first(result, limit), as_json)
        except Refused as error:
            raise _refused(error) from error
        except Unreachable as error:
            raise NotAnswered(f"{error} `coupon doctor` says what does not work.") from error
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    named: Callable[..., None] = update_wrapper(run, call)
    for option in (json_option, *_CONNECTION):
        named = option(named)
    return click.command(call.__name__.replace("_", "-"))(named)


_CONNECTION: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--within",
        "within_seconds",
        type=Seconds(min=0),
        default=WITHIN_SECONDS,
        show_default=True,
        help="Seconds in which a call that may be repeated is repeated.",
    ),
    click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help=f"The file of the bearer token [default: the token itself is in {TOKEN}].",
    ),
    click.option("--url", help="The API [default: the system's]."),
    endpoints_option("ops"),
)


def _client(url: str, token: str, within_seconds: float) -> CouponClient:
    try:
        return CouponClient(url, token, within_seconds=within_seconds)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _token(file: Path | None) -> str:
    if file is None:
        token = os.environ.get(TOKEN, "").strip()
    else:
        try:
            token = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} cannot be read: {error}") from error
    if not token:
        raise ConfigurationError(
            f"There is no token: put one into {TOKEN}, or a file with --token-file;"
            " `coupon token --user 4711` prints one"
        )
    return token


def _first(found: Iterator[Any], limit: int) -> list[Any]:
    shown = list(islice(found, limit))
    if len(shown) == limit and next(found, None) is not None:
        click.echo(f"These are the first {limit}; --limit shows more.", err=True)
    return shown


def _print(result: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(document_of(result)))
    elif isinstance(result, list):
        print_table(result)
    else:
        print_result(result)


def _refused(error: Refused) -> click.ClickException:
    says = error.detail if error.kind == "about:blank" else f"{error.detail} ({error.kind})"
    if error.maybe_done:
        says += " It may have been done: read before you decide."
    if error.status in _WRONG_USE:
        return WrongUse(says)
    if error.is_passing or error.status >= 500:
        return NotAnswered(says)
    return click.ClickException(says)
