"""`coupon env`."""

import json
import shlex
import shutil
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from cli.advice import STATE_VARIABLE
from cli.options import json_option, state_option
from coupons.ledger.roles import ROLES
from stack.endpoints import exports
from stack.folder import StateFolder
from stack.options import existing


@click.command("env", short_help="Print addresses as shell exports.")
@state_option
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="owner",
    show_default=True,
    help="Postgres role of COUPON_DATABASE_URL.",
)
@json_option
@click.pass_context
def command(context: click.Context, folder: StateFolder, role: str, as_json: bool) -> None:
    """Print every address of the stack under the name of its setting, and put `coupon` on PATH.

    With these, any process or tool of the project works on the stack. Commands of `coupon` then use
    their own Postgres role, with the passwords in COUPON_PASSWORDS_DIR. A folder that was named is
    exported as COUPON_STATE_DIR, so that commands on its processes find it too.

    \b
      eval "$(coupon env)"
      curl -s $COUPON_API_URL/healthz
    """
    where = exports(folder, existing(folder), role)
    if context.get_parameter_source("folder") is not ParameterSource.DEFAULT:
        where[STATE_VARIABLE] = str(folder.path)
    if as_json:
        click.echo(json.dumps(where))
        return
    for name, value in where.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    programs = Path(sys.executable).parent
    if shutil.which("coupon") != str(programs / "coupon"):
        click.echo(f'export PATH={shlex.quote(str(programs))}:"$PATH"')
