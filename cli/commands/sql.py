"""`coupon sql`."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click
import psycopg

from cli.options import endpoints_option, json_option
from coupons.endpoints import DATABASE_URL, PASSWORDS, Endpoints
from coupons.errors import ConfigurationError
from coupons.host_lists import split_url
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.roles import DATABASE, ROLES
from stack.endpoints import database_url, folder_of
from stack.options import existing

SUPERUSER = "superuser"
SUPERUSER_URL = "COUPON_SUPERUSER_URL"
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
@endpoints_option("ops", of="role")
@json_option
def command(where: Endpoints, role: str, statements: tuple[str, ...], as_json: bool) -> None:
    """Run each STATEMENT by itself, in order, in the ledger's database, and print its rows.

    The role `ops` reads everything and changes nothing; take another only for what the runbook
    names. A statement that fails ends the command, and what was done before it stays.

    \b
    Exit code 0: all were run; 1: one was refused; 2: not as that role;
    3: Postgres does not answer

    \b
      coupon sql "SELECT pid, state, query FROM pg_stat_activity"
      coupon sql --as superuser "ALTER SYSTEM SET max_slot_wal_keep_size = '8GB'" \\
                                "SELECT pg_reload_conf()"
    """
    answers = []
    url = _superuser_url(where) if role == SUPERUSER else _role_url(where, role)
    with closing(connect_ledger(url, "coupon-sql", ANSWER_TIMEOUT_SECONDS)) as connection:
        for statement in statements:
            try:
                answer = _run(connection, statement)
            except psycopg.Error as error:
                raise click.ClickException(f"{str(error).strip()}\nIn: {statement}") from error
            answers.append(answer)
            if not as_json:
                for line in _lines(answer):
                    click.echo(line)
    if as_json:
        click.echo(json.dumps(answers, default=str))


def _run(connection: Connection, statement: str) -> dict[str, Any]:
    cursor = connection.execute(statement.encode())
    columns = [column.name for column in cursor.description or ()]
    rows = [list(row) for row in cursor.fetchall()] if columns else []
    return {"status": cursor.statusmessage, "columns": columns, "rows": rows}


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    if not answer["columns"]:
        yield str(answer["status"])
        return
    for row in [answer["columns"], *answer["rows"]]:
        yield "\t".join("" if value is None else str(value) for value in row)


def _superuser_url(where: Endpoints) -> str:
    folder = folder_of(where)
    if folder is not None:
        return database_url(folder, existing(folder).ports, "postgres", DATABASE)
    url = os.environ.get(SUPERUSER_URL)
    if not url:
        raise ConfigurationError(
            f"{SUPERUSER_URL} is not set: set it to the server's URL as a superuser, such as"
            " postgresql://postgres@host:5432/coupon, or name the state folder: --state FOLDER"
        )
    return url


def _role_url(where: Endpoints, role: str) -> str:
    """Postgres as that role. Raises ConfigurationError where it would be another one."""
    url = where[DATABASE_URL]
    user = split_url(url).username
    if user == f"coupon_{role}" or os.environ.get(PASSWORDS):
        return url
    raise ConfigurationError(
        f"{DATABASE_URL} is of {user or 'no user'}, not of coupon_{role}, and nothing was run: set"
        f" {PASSWORDS} to the folder with the roles' password files (`coupon env` prints it), or"
        " name the state folder: --state FOLDER"
    )
