"""Runs single SQL statements on the ledger's database, as one of its roles or the superuser."""

import os
from typing import Any, NamedTuple

from coupons.endpoints import DATABASE_URL, PASSWORDS, Endpoints
from coupons.errors import ConfigurationError
from coupons.ledger.connection import Connection
from coupons.ledger.roles import DATABASE
from coupons.links.host_lists import split_url
from stack.endpoints import database_url, folder_of
from stack.options import existing

SUPERUSER = "superuser"
SUPERUSER_URL = "COUPON_SUPERUSER_URL"


class StatementResult(NamedTuple):
    """status: as Postgres reports it. columns, rows: empty when the statement returns none."""

    status: str | None
    columns: list[str]
    rows: list[list[Any]]


def run_statement(connection: Connection, statement: str) -> StatementResult:
    """Run one statement. Raises psycopg.Error."""
    cursor = connection.execute(statement.encode())
    columns = [column.name for column in cursor.description or ()]
    rows = [list(row) for row in cursor.fetchall()] if columns else []
    return StatementResult(cursor.statusmessage, columns, rows)


def database_url_as(where: Endpoints, role: str) -> str:
    """The database's URL as a role (one of ROLES, or SUPERUSER). Raises ConfigurationError."""
    return _superuser_url(where) if role == SUPERUSER else _role_url(where, role)


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
    """The URL as that role. Raises ConfigurationError when it would be another role."""
    url = where[DATABASE_URL]
    user = split_url(url).username
    if user == f"coupon_{role}" or os.environ.get(PASSWORDS):
        return url
    raise ConfigurationError(
        f"{DATABASE_URL} is of {user or 'no user'}, not of coupon_{role}, and nothing was run: set"
        f" {PASSWORDS} to the folder with the roles' password files (`coupon env` prints it), or"
        " name the state folder: --state FOLDER"
    )
