"""Options that several commands take."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from coupons.ids import MAX_COUPON_ID, MAX_USER_ID
from ops.addresses import ROLES, Addresses, find_addresses
from stack.folder import StateFolder

Decorated = Callable[..., Any]


class Id(click.IntRange):
    """An id in plain digits; int() would take "1_000" and digits of other scripts too."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The id. Fails with a usage error."""
        if isinstance(value, str) and not re.fullmatch("[1-9][0-9]{0,18}", value):
            self.fail(f"{value!r} is no id: give a positive whole number in plain digits", param)
        return super().convert(value, param, ctx)


COUPON_ID = Id(1, MAX_COUPON_ID)
USER_ID = Id(1, MAX_USER_ID)


def _default_state() -> Path:
    root = Path(__file__).parents[1]
    project = root if (root / "pyproject.toml").exists() else Path.cwd()
    return project / ".coupon"


def _folder(_ctx: click.Context, _option: click.Parameter, value: Path | None) -> StateFolder:
    return StateFolder((value or _default_state()).absolute())


def state_option(command: Decorated) -> Decorated:
    """--state, given to the command as `folder`."""
    return click.option(
        "--state",
        "folder",
        metavar="FOLDER",
        envvar="COUPON_STATE_DIR",
        type=click.Path(path_type=Path),
        callback=_folder,
        help="State folder of the stack [default: .coupon in the project].",
    )(command)


def addresses_option(role: str, of: str | None = None) -> Callable[[Decorated], Decorated]:
    """--state, or the COUPON_* addresses of the environment: given to the command as `where`.

    role: the Postgres role of the command, one of ops.addresses.ROLES. of: the eager option that
    names another one.
    """

    def find(ctx: click.Context, option: click.Parameter, value: Path | None) -> Addresses:
        source = ctx.get_parameter_source(option.name or "")
        named = source is ParameterSource.COMMANDLINE
        chosen = str(ctx.params.get(of) or role) if of else role
        known = chosen if chosen in ROLES else role
        return find_addresses(_folder(ctx, option, value), named, known, os.environ)

    return click.option(
        "--state",
        "where",
        metavar="FOLDER",
        envvar="COUPON_STATE_DIR",
        type=click.Path(path_type=Path),
        callback=find,
        help="State folder of the stack [default: the stack of the COUPON_* addresses in the"
        " environment, as `coupon env` prints them; else .coupon in the project].",
    )


def json_option(command: Decorated) -> Decorated:
    """--json, given to the command as `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document, for programs."
    )(command)
