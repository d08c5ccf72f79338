"""`coupon token`."""

import json
import re

import click

from cli.options import USER_ID, endpoints_option, json_option
from coupons.endpoints import Endpoints, token_key
from coupons.tokens import SCOPES, mint_token

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(_ctx: click.Context, _option: click.Parameter, value: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", value)
    if not found:
        raise click.BadParameter("give a number with s, m, h or d, such as 30m or 8h")
    return int(found[1]) * _SECONDS[found[2]]


@click.command("token", short_help="Print a bearer token.")
@endpoints_option("ops")
@click.option("--user", type=USER_ID, required=True, help="The user who claims.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=["coupon:issue"],
    show_default=True,
    help="What the token allows; may be repeated.",
)
@click.option("--group", "groups", multiple=True, help="A group of the user; may be repeated.")
@click.option(
    "--expires", callback=_duration, default="8h", show_default=True, help="How long it is valid."
)
@json_option
def command(
    where: Endpoints,
    user: int,
    scopes: tuple[str, ...],
    groups: tuple[str, ...],
    expires: int,
    as_json: bool,
) -> None:
    """Print a bearer token for the stack's API, signed with the stack's own key.

    \b
      TOKEN=$(coupon token --user 4711)
      curl -X POST -H "Authorization: Bearer $TOKEN" $COUPON_API_URL/coupons/1/issue-requests
      coupon token --user 1 --scope coupon:admin --expires 30m
    """
    token = mint_token(token_key(where), user, scopes, expires, groups=groups)
    result = {"token": token, "user": user, "scopes": scopes, "expires_in": expires}
    click.echo(json.dumps(result) if as_json else token)
