"""Issued coupons for tests: issued as the consumer does, with terms, and made older."""

from datetime import datetime
from typing import Any

import psycopg

from coupons.ledger.connection import connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.model import IssueRequest, Status
from tests.support.databases import Database

NOW_US = 1_700_000_000_000_000


def issue(database: Database, *keys: tuple[int, int]) -> None:
    """Issue requests of (coupon, user) as the consumer does, all in one transaction."""
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        issue_or_reject(
            consumer,
            [IssueRequest(coupon, user, NOW_US, Status.REQUESTED) for coupon, user in keys],
        )


def request_and_issue(database: Database, coupon_id: int, user_ids: range) -> None:
    """The same with the rows of the requests, which the sweep reads."""
    statement = (
        "INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)"
        " SELECT %s, unnest(%s::bigint[]), now()"
    )
    as_owner(database, statement, coupon_id, list(user_ids))
    issue(database, *((coupon_id, user_id) for user_id in user_ids))


def set_terms(
    database: Database, coupon_id: int, days: int | None = None, until: datetime | None = None
) -> None:
    """How long the issued coupons of a coupon are valid."""
    statement = "UPDATE coupon SET valid_for_days = %s, valid_until = %s WHERE coupon_id = %s"
    as_owner(database, statement, days, until, coupon_id)


def make_older(database: Database, coupon_id: int, user_ids: range, days: int = 2) -> None:
    """As if the coupon, and these issued ones, had been made so many days earlier."""
    earlier = "created_at = created_at - make_interval(days => %s) WHERE coupon_id = %s"
    as_owner(database, f"UPDATE coupon SET {earlier}", days, coupon_id)
    statement = (
        "UPDATE issued_coupon SET issued_at = issued_at - make_interval(days => %s)"
        " WHERE coupon_id = %s AND user_id = ANY(%s)"
    )
    as_owner(database, statement, days, coupon_id, list(user_ids))


def as_owner(database: Database, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the owner of the schema gets; no process runs with its rights."""
    with psycopg.connect(database.url("coupon_owner")) as owner:
        cursor = owner.execute(statement.encode(), values)
        # Not by its description, which is empty for `SELECT FROM`: such a check would never fail.
        return cursor.fetchall() if cursor.rownumber is not None else []


def waiters(database: Database) -> int:
    """How many sessions wait for a lock."""
    with psycopg.connect(database.superuser_url) as superuser:
        row = superuser.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'",
            [database.name],
        ).fetchone()
    assert row is not None
    return int(row[0])
