"""Whatever window a coupon gets by whatever way, every reader can read it."""

import re

import psycopg
import pytest
from psycopg import errors

from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import list_coupons
from coupons.model import EARLIEST_MOMENT, LATEST_MOMENT
from coupons.queries import SQL_FOLDER
from tests.support.databases import Database

MIGRATION = (SQL_FOLDER / "migrations" / "0007_readable_windows.sql").read_text("utf-8")
INSERT = (
    "INSERT INTO coupon (coupon_id, name, total_quantity, issue_starts_at, issue_ends_at)"
    " VALUES (%s, 'x', 1, %s, %s)"
)
CONSTRAINTS = ("coupon_start_is_readable", "coupon_end_is_readable")


@pytest.mark.parametrize(
    ("starts", "ends", "constraint"),
    [
        ("infinity", None, CONSTRAINTS[0]),
        ("-infinity", None, CONSTRAINTS[0]),
        ("0001-01-01 00:00:00+01", None, CONSTRAINTS[0]),
        ("4000-01-01 00:00:00 BC", None, CONSTRAINTS[0]),
        ("1999-12-31 23:59:59.999999Z", None, CONSTRAINTS[0]),
        ("9999-12-31 00:00:00Z", None, CONSTRAINTS[0]),
        ("2026-01-01Z", "infinity", CONSTRAINTS[1]),
        ("2026-01-01Z", "9999-12-31 00:00:00Z", CONSTRAINTS[1]),
        ("2026-01-01Z", "20000-01-01 00:00:00Z", CONSTRAINTS[1]),
    ],
)
def test_the_table_takes_no_window_that_cannot_be_read(
    database: Database, starts: str, ends: str | None, constraint: str
) -> None:
    with (
        psycopg.connect(database.url("coupon_api")) as connection,
        pytest.raises(errors.CheckViolation) as caught,
    ):
        connection.execute(INSERT, [1, starts, ends])
    assert caught.value.diag.constraint_name == constraint


def test_the_bounds_of_the_table_are_those_of_the_model() -> None:
    named = set(re.findall(r"timestamptz '([^']*:00Z)'", MIGRATION))
    assert named == {f"{each:%Y-%m-%d %H:%M:%S}Z" for each in (EARLIEST_MOMENT, LATEST_MOMENT)}


def _versions(owner: psycopg.Connection) -> dict[int, int]:
    return dict(owner.execute("SELECT coupon_id, version FROM coupon").fetchall())


def test_windows_that_are_there_already_are_brought_within_the_bounds(database: Database) -> None:
    windows: list[tuple[str, str | None]] = [
        ("2026-01-01Z", None),
        ("-infinity", "infinity"),
        ("0001-01-01 00:00:00+01", "1990-01-01Z"),
        ("9999-12-31 12:00:00Z", "infinity"),
        ("infinity", None),
        ("9999-12-30 23:59:59.999999Z", "9999-12-31 12:00:00Z"),
    ]
    with psycopg.connect(database.url("coupon_owner")) as owner:
        for constraint in CONSTRAINTS:
            owner.execute(f"ALTER TABLE coupon DROP CONSTRAINT {constraint}")
        for coupon_id, (starts, ends) in enumerate(windows, 1):
            owner.execute(INSERT, [coupon_id, starts, ends])
        before = _versions(owner)
        owner.commit()
        owner.execute(MIGRATION)
        after = _versions(owner)
    with connect_ledger(database.url("coupon_ops"), "test") as connection:
        coupons = list_coupons(connection)
    assert [after[number] > before[number] for number in sorted(before)] == [False, *[True] * 5]
    assert [coupon.issue_ends_at is None for coupon in coupons] == [
        ends is None for _, ends in windows
    ]
    for coupon in coupons:
        ends_at = coupon.issue_ends_at
        assert EARLIEST_MOMENT <= coupon.issue_starts_at < LATEST_MOMENT
        assert ends_at is None or coupon.issue_starts_at < ends_at < LATEST_MOMENT
