"""The commands of `coupon client` for administrators: coupons and their codes."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from cli.client_options import client_command, limit_option
from cli.options import COUPON_ID, FILE, VERSION, Decorated
from coupon_client import CouponClient
from coupons.codes import CodeKind
from coupons.moments import parse_rfc3339

_REMOVABLE = (
    "issue_starts_at",
    "issue_ends_at",
    "eligible_group",
    "valid_for_days",
    "valid_until",
    "discount",
    "metadata",
)


class _Moment(click.ParamType[datetime]):
    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time. Fails with a usage error."""
        try:
            return value if isinstance(value, datetime) else parse_rfc3339(value)
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


class _JsonObject(click.ParamType[dict[str, Any]]):
    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """The object. Fails with a usage error."""
        try:
            found = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self.fail(f'{value!r} is no JSON object, such as {{"percent": 10}}', param, ctx)
        return found


_TERMS = (
    click.option("--starts-at", "issue_starts_at", type=_Moment(), help="From when it is claimed."),
    click.option("--ends-at", "issue_ends_at", type=_Moment(), help="Until when it is claimed."),
    click.option("--group", "eligible_group", help="Who may claim it [default: everybody]."),
    click.option("--valid-for-days", type=click.IntRange(min=1), help="After it was issued."),
    click.option("--valid-until", type=_Moment(), help="When issued ones expire."),
    click.option("--discount", type=_JsonObject(), help="For the shop."),
    click.option("--metadata", type=_JsonObject(), help="For the shop; its values are texts."),
)
_coupon_argument = click.argument("coupon_id", type=COUPON_ID)
_version_option = click.option("--version", type=VERSION, help="Only if it still has this version.")


def _terms_options(command: Decorated) -> Decorated:
    for option in reversed(_TERMS):
        command = option(command)
    return command


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@client_command
@click.argument("name")
@click.argument("total_quantity", type=click.IntRange(min=1))
@click.option("--id", type=COUPON_ID, help="[default: the API chooses].")
@click.option("--draft", is_flag=True, help="Nobody can claim it before it is opened.")
@click.option("--idempotency-key", help="The same key again: the same coupon.")
@_terms_options
def create_coupon(
    client: CouponClient, name: str, total_quantity: int, draft: bool, **terms: Any
) -> Any:
    """Create a coupon, once however often the call is repeated.

    \b
      coupon client create-coupon "A tenth off" 1000 --discount '{"percent": 10}'
      coupon client create-coupon Late 10 --id 3000 --starts-at 2026-12-31T09:00:00Z --draft
    """
    state = "draft" if draft else None
    return client.create_coupon(name, total_quantity, **_given({**terms, "state": state}))


@client_command
@click.option("--only", "state", help="draft, open, scheduled, paused, ended, closed or archived.")
@click.option("--name", help="A part of the name, or an id.")
@limit_option
def list_coupons(client: CouponClient, state: str | None, name: str | None) -> Any:
    """List coupons, the greatest id first; without --only all but archived ones.

    \b
      coupon client list-coupons --only open
    """
    return client.list_coupons(state, name)


@client_command
@_coupon_argument
def read_coupon(client: CouponClient, coupon_id: int) -> Any:
    """Read a coupon.

    \b
      coupon client read-coupon 3000
    """
    return client.read_coupon(coupon_id)


@client_command
@_coupon_argument
@click.option("--version", type=VERSION, required=True, help="As it was read.")
@click.option("--name", help="What it is called.")
@click.option("--quantity", "total_quantity", type=click.IntRange(min=1), help="In all.")
@click.option("--open", "opens", is_flag=True, help="Open a draft, or resume; alone.")
@_terms_options
@click.option("--remove", type=click.Choice(_REMOVABLE), multiple=True, help="Make it empty.")
def change_coupon(
    client: CouponClient,
    coupon_id: int,
    version: int,
    opens: bool,
    remove: tuple[str, ...],
    **fields: Any,
) -> Any:
    """Change the version of a coupon that you have read. It is sent once.

    \b
      coupon client change-coupon 3000 --version 1795360000123457 --quantity 20
      coupon client change-coupon 3000 --version 1795360000123457 --remove valid_until
    """
    given = _given(fields)
    if both := given.keys() & set(remove):
        raise click.UsageError(f"--remove and a value were given for {', '.join(sorted(both))}.")
    changes = {**given, **dict.fromkeys(remove)}
    if opens:
        changes["state"] = "open"
    return client.change_coupon(coupon_id, version, **changes)


@client_command
@_coupon_argument
@limit_option
def audit_coupon(client: CouponClient, coupon_id: int) -> Any:
    """List what was done to a coupon and by whom, newest first.

    \b
      coupon client audit-coupon 3000
    """
    return client.audit_coupon(coupon_id)


def _action(method: Callable[..., Any], summary: str) -> click.Command:
    def act(client: CouponClient, coupon_id: int, version: int | None) -> Any:
        return method(client, coupon_id, version)

    act.__name__ = method.__name__
    name = method.__name__.replace("_", "-")
    act.__doc__ = f"{summary}. It is sent once.\n\n\b\n  coupon client {name} 3000"
    return client_command(_coupon_argument(_version_option(act)))


@client_command
@_coupon_argument
def read_codes(client: CouponClient, coupon_id: int) -> Any:
    """Show how many codes a coupon has.

    \b
      coupon client read-codes 3000
    """
    return client.read_codes(coupon_id)


@client_command
@_coupon_argument
@click.argument("kind", type=click.Choice([str(each) for each in CodeKind]))
def choose_codes(client: CouponClient, coupon_id: int, kind: str) -> Any:
    """Choose how the codes of a coupon come about.

    \b
      coupon client choose-codes 3000 pool
    """
    return client.choose_codes(coupon_id, kind)


@client_command
@_coupon_argument
@click.argument("file", type=FILE)
@click.option("--header/--no-header", "has_header", default=None, help="Of a file .csv.")
def upload_codes(client: CouponClient, coupon_id: int, file: Path, has_header: bool | None) -> Any:
    """Add the codes of a file to the pool of a coupon, one a line, or a .csv.

    \b
      coupon client upload-codes 3000 codes.csv --header
    """
    return client.upload_codes(coupon_id, file, has_header)


@client_command
@_coupon_argument
def remove_free_codes(client: CouponClient, coupon_id: int) -> Any:
    """Remove the codes of a coupon's pool that nobody has. It is sent once.

    \b
      coupon client remove-free-codes 3000
    """
    return client.remove_free_codes(coupon_id)


ADMINISTRATOR_COMMANDS = (
    create_coupon,
    list_coupons,
    read_coupon,
    change_coupon,
    _action(CouponClient.pause_coupon, "Pause a coupon"),
    _action(CouponClient.resume_coupon, "Resume a coupon"),
    _action(CouponClient.close_coupon, "Close a coupon for good"),
    _action(CouponClient.archive_coupon, "Put away a closed coupon for good"),
    audit_coupon,
    read_codes,
    choose_codes,
    upload_codes,
    remove_free_codes,
)
