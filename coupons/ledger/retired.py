"""Retired coupons in the ledger: which they are, what they were, and the steps of a retirement."""

from collections.abc import Collection, Generator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from psycopg import errors
from psycopg.types.json import Jsonb

from coupons.ledger.connection import Connection, int_array, translated
from coupons.model import RequestCounts
from coupons.queries import query

ROWS_PER_PAGE = 10_000
RETIRED_CONSTRAINT = "coupon_is_retired"
"""What Postgres names when something would change of a coupon whose retirement has begun."""

Row = tuple[Any, ...]


class Beginning(StrEnum):
    """Where the retirement of a coupon stands, or why it does not begin."""

    BEGUN = "begun"
    EXPORTED = "exported"
    """It was cut off after its files were proved: rows may be left."""
    RETIRED = "retired"
    NOT_FOUND = "not_found"
    NOT_ARCHIVED = "not_archived"
    TOO_YOUNG = "too_young"


class RetiredCounts(NamedTuple):
    """What the ledger held of a coupon. rejected: by reason; the last four: of the issued ones."""

    accepted: int
    issued: int
    rejected: Mapping[str, int]
    active: int
    used: int
    expired: int
    revoked: int

    def instead_of(self, counts: RequestCounts) -> RequestCounts:
        """The counts of a coupon, with these instead of what is counted from its rows."""
        return counts._replace(
            accepted=self.accepted,
            issued=self.issued,
            rejected=sum(self.rejected.values()),
            in_flight=0,
        )


class Retired(NamedTuple):
    """dropped_at: None: some of its rows may be left."""

    coupon_id: int
    retired_at: datetime
    counts: RetiredCounts
    dropped_at: datetime | None


class Retirable(NamedTuple):
    """A coupon that can be retired. is_begun: it was begun, and cut off."""

    coupon_id: int
    name: str
    archived_at: datetime
    accepted: int
    is_begun: bool


class Dropped(NamedTuple):
    """A page of rows that was dropped. last_user_id: where the next page begins."""

    last_user_id: int
    requests: int
    is_done: bool


def find_retired(connection: Connection, coupon_ids: Collection[int]) -> dict[int, Retired]:
    """Those of these coupons that are retired, by id."""
    with translated(connection):
        rows = connection.execute(query("find_retired"), {"coupon_ids": int_array(coupon_ids)})
        return {
            coupon_id: Retired(coupon_id, at, RetiredCounts(**counts), dropped_at)
            for coupon_id, at, counts, dropped_at in rows
        }


def find_retiring(connection: Connection, coupon_ids: Collection[int]) -> set[int]:
    """Those of these coupons whose retirement has begun, or is done."""
    values = {"coupon_ids": int_array(coupon_ids)}
    with translated(connection):
        return {row[0] for row in connection.execute(query("find_retiring"), values)}


def is_of_a_retired_coupon(error: Exception) -> bool:
    """Whether Postgres refused something because the coupon is retired."""
    return (
        isinstance(error, errors.CheckViolation)
        and error.diag.constraint_name == RETIRED_CONSTRAINT
    )


def list_retirable(
    connection: Connection, older: timedelta, coupon_id: int | None = None
) -> list[Retirable]:
    """Archived coupons with rows, or one, that were archived so long ago; also begun ones."""
    with translated(connection):
        values = {"older": older, "coupon_id": coupon_id}
        rows = connection.execute(query("list_retirable"), values).fetchall()
    return [Retirable(*row) for row in rows]


def lock_retirement(connection: Connection) -> bool:
    """Whether this session may retire coupons, and erase users from files: one at a time."""
    return bool(_value(connection, "lock_retirement", {}))


def stay(connection: Connection) -> None:
    """Keep the session from being ended as silent. Raises LedgerUnavailable: its lock is gone."""
    _value(connection, "stay", {})


def begin_retirement(
    connection: Connection, coupon_id: int, older: timedelta, acted_by: str
) -> Beginning:
    """Begin, or say why not, and commit. From then on nothing of the coupon changes."""
    values = {"coupon_id": coupon_id, "older": older, "acted_by": acted_by}
    return Beginning(_value(connection, "begin_retirement", values))


def running_until(connection: Connection) -> str:
    """Names the transactions that run now, for `has_ended`."""
    return str(_value(connection, "running_until", {}))


def has_ended(connection: Connection, number: str) -> bool:
    """Whether all transactions that ran then have ended."""
    return bool(_value(connection, "has_ended", {"number": number}))


def abandon_retirement(connection: Connection, coupon_id: int, acted_by: str) -> None:
    """The coupon is again as before. It does nothing once the export is noted."""
    _value(connection, "abandon_retirement", {"coupon_id": coupon_id, "acted_by": acted_by})


def stream_rows(
    connection: Connection, name: str, coupon_id: int
) -> Generator[list[Row], None, None]:
    """What the query `name` exports of a coupon, in pages; within the caller's transaction."""
    with connection.cursor(name="export") as cursor:
        cursor.execute(query(name), {"coupon_id": coupon_id})
        while page := cursor.fetchmany(ROWS_PER_PAGE):
            yield page


def count_retiring(connection: Connection, coupon_id: int) -> RetiredCounts:
    """Counted from the rows; within the caller's transaction."""
    row = connection.execute(query("count_retiring"), {"coupon_id": coupon_id}).fetchone()
    assert row is not None
    return RetiredCounts(*row)


def note_export(
    connection: Connection,
    coupon_id: int,
    counts: RetiredCounts,
    folder: str,
    files: Mapping[str, Any],
) -> str:
    """Note that these files hold the coupon, and commit: from now on it is retired.

    Returns noted; or not_begun; or unbalanced: the counts are not those of the coupon.
    """
    values = {
        "coupon_id": coupon_id,
        "counts": Jsonb(counts._asdict()),
        "folder": folder,
        "files": Jsonb(files),
    }
    return str(_value(connection, "note_export", values))


def count_unfinished_retirements(connection: Connection) -> int:
    """How many began more than an hour ago, and may have been cut off."""
    return int(_value(connection, "count_unfinished_retirements", {}))


def find_export(connection: Connection, coupon_id: int) -> tuple[str, dict[str, Any]] | None:
    """Folder and files of a coupon whose export is noted."""
    with translated(connection):
        row = connection.execute(query("find_export"), {"coupon_id": coupon_id}).fetchone()
    return None if row is None else (row[0], row[1])


def drop_page(connection: Connection, coupon_id: int, after_user_id: int, acted_by: str) -> Dropped:
    """Drop the next page of a retired coupon's rows, and commit. Repeating it is harmless."""
    values = {
        "coupon_id": coupon_id,
        "after_user_id": after_user_id,
        "page_size": ROWS_PER_PAGE,
        "acted_by": acted_by,
    }
    with translated(connection):
        row = connection.execute(query("drop_retired"), values).fetchone()
    assert row is not None
    return Dropped(*row)


def _value(connection: Connection, name: str, values: Mapping[str, Any]) -> Any:
    with translated(connection):
        row = connection.execute(query(name), values).fetchone()
    assert row is not None
    return row[0]
