"""`coupon sql`."""

import json
import math
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click
import psycopg

from cli.options import endpoints_option, json_option
from coupons.endpoints import Endpoints
from coupons.ledger.connection import connect_ledger
from coupons.ledger.roles import ROLES
from operations.sql import SUPERUSER, StatementResult, database_url_as, run_statement

ANSWER_TIMEOUT_SECONDS = 120.0


@click.command("sql", short_help="Run SQL statements on the stack's Postgres.")
@click.argument("statements", nargs=-1, required=True, metavar="STATEMENT...")
@click.option(
    "--as",
    "role",
    type=click.Choice([*ROLES, SUPERUSER]),
    default="ops",
    show_default=True,
    is_eager=True,
    help="Postgres role: coupon_<name>, or the superuser (elsewhere: COUPON_SUPERUSER_URL).",
)
@endpoints_option("ops", role_option="role")
@json_option
def command(where: Endpoints, role: str, statements: tuple[str, ...], as_json: bool) -> None:
    """Run each STATEMENT by itself, in order, in the ledger's database, and print its rows.

    The role `ops` reads everything; of the data it may only change a coupon's state and stock, by
    operate_coupon. Use another role only for what the runbook names. A statement that fails ends
    the command; the changes of earlier statements stay.

    \b
    Exit code 0: all were run
              1: Postgres refused one
              2: this role cannot be used
              3: Postgres does not answer

    \b
      coupon sql "SELECT pid, state, query FROM pg_stat_activity"
      coupon sql --as superuser "ALTER SYSTEM SET max_slot_wal_keep_size = '8GB'" \\
                                "SELECT pg_reload_conf()"
    """
    results = []
    url = database_url_as(where, role)
    with closing(connect_ledger(url, "coupon-sql", ANSWER_TIMEOUT_SECONDS)) as connection:
        for statement in statements:
            try:
                result = run_statement(connection, statement)
            except psycopg.Error as error:
                raise click.ClickException(f"{str(error).strip()}\nIn: {statement}") from error
            results.append(result._asdict())
            if not as_json:
                for line in _lines(result):
                    click.echo(line)
    if as_json:
        click.echo(json.dumps(_for_json(results), default=str))


def _for_json(value: Any) -> Any:
    """NaN and infinite numbers as text, because JSON has none."""
    if isinstance(value, dict):
        return {name: _for_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _lines(result: StatementResult) -> Iterator[str]:
    if not result.columns:
        yield str(result.status)
        return
    for row in [result.columns, *result.rows]:
        yield "\t".join("" if value is None else str(value) for value in row)
