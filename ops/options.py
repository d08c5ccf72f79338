"""Options that several commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from stack.folder import StateFolder

Decorated = Callable[..., Any]


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


def json_option(command: Decorated) -> Decorated:
    """--json, given to the command as `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document, for programs."
    )(command)
