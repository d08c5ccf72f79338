"""Options that several commands take."""

import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cli.advice import is_elsewhere, set_stack
from cli.endpoints import find_endpoints
from coupons.endpoints import Endpoints
from coupons.ids import MAX_COUPON_ID, MAX_USER_ID
from coupons.ledger.roles import ROLES
from stack.endpoints import folder_of
from stack.folder import StateFolder, default_state

Decorated = Callable[..., Any]


class Id(click.IntRange):
    """An id in plain digits; int() would take "1_000" and digits of other scripts too."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The id. Fails with a usage error."""
        if isinstance(value, str) and not re.fullmatch("[1-9][0-9]{0,18}", value):
            self.fail(
                f"{value!r} is not an id: give a positive whole number in plain digits, without a"
                " leading zero",
                param,
            )
        return super().convert(value, param, ctx)


class Seconds(click.FloatRange):
    """A time in seconds; float() would take "nan", which no limit refuses, and "inf" too."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The time. Fails with a usage error."""
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a time in seconds", param, ctx)
        return seconds


COUPON_ID = Id(1, MAX_COUPON_ID)
USER_ID = Id(1, MAX_USER_ID)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""One that is there."""
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
VERSION = click.IntRange(min=1)
"""Of a coupon."""

_DEFAULT_FOLDER = ".coupon in the project"
_DEFAULT_SYSTEM = (
    "the system of the COUPON_* addresses in the environment, as `coupon env` prints them; else"
    f" {_DEFAULT_FOLDER}"
)


def _folder(ctx: click.Context, _option: click.Parameter, value: Path | None) -> StateFolder:
    folder = StateFolder((value or default_state()).absolute())
    set_stack(ctx, folder)
    return folder


def _local_folder(ctx: click.Context, option: click.Parameter, value: Path | None) -> StateFolder:
    folder = _folder(ctx, option, value)
    is_named = ctx.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
    if ctx.resilient_parsing:  # a shell completes the line: nothing is printed
        return folder
    if not is_named and folder.exists() and is_elsewhere(folder):
        click.echo(
            f"This command works on the stack in {folder.path}; the COUPON_* addresses of this"
            " shell belong to another one.",
            err=True,
        )
    return folder


def complete_part(ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    """Names of the parts that were started in the stack of the command, for a shell."""
    folder = ctx.params.get("folder")
    names = folder.part_names() if folder else []
    return [name for name in names if name.startswith(typed)]


def state_option(command: Decorated) -> Decorated:
    """--state, given to the command as `folder`."""
    return _state_option("folder", _folder, _DEFAULT_FOLDER)(command)


def local_state_option(command: Decorated) -> Decorated:
    """The same for a command that ignores the addresses of the environment, and says so."""
    return _state_option("folder", _local_folder, _DEFAULT_FOLDER)(command)


def endpoints_option(role: str, role_option: str | None = None) -> Callable[[Decorated], Decorated]:
    """--state, or the COUPON_* addresses of the environment: given to the command as `where`.

    COUPON_STATE_DIR counts as --state unless an address is of another stack: then the addresses do.
    role: the Postgres role of the command, one of coupons.ledger.roles.ROLES. role_option: the
    eager option that names another role.
    """

    def find(ctx: click.Context, option: click.Parameter, value: Path | None) -> Endpoints:
        folder = _folder(ctx, option, value)
        source = ctx.get_parameter_source(option.name or "")
        named = source is ParameterSource.COMMANDLINE or (
            source is ParameterSource.ENVIRONMENT and not is_elsewhere(folder)
        )
        chosen = str(ctx.params.get(role_option) or role) if role_option else role
        known = chosen if chosen in ROLES else role
        found = find_endpoints(folder, named, known, os.environ)
        set_stack(ctx, folder_of(found))
        return found

    return _state_option("where", find, _DEFAULT_SYSTEM)


def _state_option(
    name: str, callback: Callable[..., Any], default: str
) -> Callable[[Decorated], Decorated]:
    return click.option(
        "--state",
        name,
        metavar="FOLDER",
        envvar="COUPON_STATE_DIR",
        type=click.Path(path_type=Path),
        callback=callback,
        help=f"State folder of the stack [default: {default}].",
    )


def confirm(question: str, says: str) -> None:
    """Ask on the terminal, and end the command unless the answer is yes.

    says: what was not done. Raises UsageError where there is no terminal.
    """
    if not _is_terminal():
        raise click.UsageError(
            f"{says}: there is no terminal to ask; --yes removes without asking."
        )
    click.confirm(question, abort=True, err=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def json_option(command: Decorated) -> Decorated:
    """--json, given to the command as `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document, for programs."
    )(command)
