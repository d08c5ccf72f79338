"""Requests without a final status are written to the WAL again; nothing else is touched."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from connectors import republish as pages
from connectors.republish import count_not_final, republish, republish_any
from coupons.ledger.connection import Connection, connect_ledger
from coupons.queries import query
from tests.support.databases import Database


@pytest.fixture
def cdc(database: Database) -> Iterator[Connection]:
    """As Debezium's role, which may not write."""
    with connect_ledger(database.url("coupon_cdc"), "test") as connection:
        yield connection


@pytest.fixture
def owner(database: Database) -> Iterator[Connection]:
    """With requests of users 1 to 10 for coupons 1 and 2; those of users 1 and 2 are final."""
    with connect_ledger(database.url("coupon_owner"), "test") as connection:
        for statement in (
            "INSERT INTO coupon_issue_request"
            " SELECT c, u, timestamptz '2026-01-01 12:00:00.123456Z'"
            " FROM generate_series(1, 2) AS c, generate_series(1, 10) AS u",
            "INSERT INTO issued_coupon (user_id, coupon_id, requested_at)"
            " VALUES (1, 1, now()), (1, 2, now())",
            "INSERT INTO issue_rejection (coupon_id, user_id, requested_at, reason)"
            " VALUES (1, 2, now(), 'sold_out'), (2, 2, now(), 'sold_out')",
        ):
            connection.execute(statement)
        yield connection


def rows(owner: Connection) -> list[tuple[object, ...]]:
    return owner.execute("SELECT * FROM coupon_issue_request ORDER BY 1, 2").fetchall()


def versions(owner: Connection) -> dict[tuple[int, int], int]:
    found = owner.execute("SELECT coupon_id, user_id, xmin::text::bigint FROM coupon_issue_request")
    return {(coupon_id, user_id): xmin for coupon_id, user_id, xmin in found}


def test_those_that_are_not_final_are_written_again_and_stay_the_same(
    owner: Connection, cdc: Connection
) -> None:
    before, written = rows(owner), versions(owner)
    assert republish(cdc, lambda _: None) == 16
    assert rows(owner) == before
    again = versions(owner)
    assert {key for key in again if again[key] != written[key]} == {
        (coupon_id, user_id) for coupon_id in (1, 2) for user_id in range(3, 11)
    }


def test_pages_of_any_size_write_each_of_them_once(
    owner: Connection, cdc: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_ROWS", 3)
    before = rows(owner)
    assert republish(cdc, lambda _: None) == 16
    assert rows(owner) == before


@pytest.mark.parametrize(
    "column",
    [
        "shard bigint GENERATED ALWAYS AS (user_id % 8) STORED",
        "number bigint GENERATED ALWAYS AS IDENTITY",
        "origin text DEFAULT 'web'",
    ],
)
def test_a_column_of_a_later_migration_keeps_its_values(
    owner: Connection, cdc: Connection, column: str
) -> None:
    owner.execute(f"ALTER TABLE coupon_issue_request ADD COLUMN {column}")
    if column.startswith("origin"):
        owner.execute("UPDATE coupon_issue_request SET origin = 'shop'")
    owner.execute("ALTER TABLE coupon_issue_request ADD COLUMN dropped text")
    owner.execute("ALTER TABLE coupon_issue_request DROP COLUMN dropped")
    before = rows(owner)
    assert republish(cdc, lambda _: None) == 16
    assert rows(owner) == before


def test_the_change_stream_gets_an_insert_for_each(
    owner: Connection, cdc: Connection, database: Database
) -> None:
    slot = database.name
    cdc.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
    republish(cdc, lambda _: None)
    try:
        found = cdc.execute(
            "SELECT get_byte(data, 0) FROM pg_logical_slot_get_binary_changes(%s, NULL, NULL,"
            " 'proto_version', '1', 'publication_names', 'coupon_cdc')",
            [slot],
        ).fetchall()
    finally:
        cdc.execute("SELECT pg_drop_replication_slot(%s)", [slot])
    kinds = [chr(row[0]) for row in found]
    assert kinds.count("I") == 16
    assert kinds.count("D") == 0


def test_a_claim_repeated_meanwhile_waits_and_finds_its_row(
    owner: Connection, cdc: Connection, database: Database
) -> None:
    """accept_requests inserts ON CONFLICT DO NOTHING: it must not slip in between."""
    values = {"coupon_id": 0, "user_id": 0, "page_size": 100}
    before = rows(owner)
    with (
        cdc.transaction(),
        psycopg.connect(database.url("coupon_api"), autocommit=True) as api,
    ):
        cdc.execute(query("republish"), values)
        api.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            api.execute(
                "INSERT INTO coupon_issue_request VALUES (1, 5, now()) ON CONFLICT DO NOTHING"
            )
        assert rows(owner) == before
    assert rows(owner) == before


def test_the_role_of_the_connector_still_may_not_write(owner: Connection, cdc: Connection) -> None:
    for statement in (
        "INSERT INTO coupon_issue_request VALUES (1, 99, now())",
        "DELETE FROM coupon_issue_request",
        "UPDATE coupon_issue_request SET requested_at = now()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            cdc.execute(statement)


def test_those_that_are_not_final_are_counted_with_the_oldest(
    owner: Connection, cdc: Connection
) -> None:
    oldest = datetime(2026, 1, 1, 12, 0, 0, 123456, UTC)
    assert count_not_final(cdc) == (16, oldest)
    assert count_not_final(cdc, oldest) == (0, None)


def test_one_is_written_again_even_if_all_are_final(owner: Connection, cdc: Connection) -> None:
    """A registry that lost its schemas gets that of requests again by it."""
    owner.execute("DELETE FROM coupon_issue_request WHERE user_id > 2")
    before, written = rows(owner), versions(owner)
    assert republish(cdc, lambda _: None) == 0
    assert republish_any(cdc)
    assert rows(owner) == before
    again = versions(owner)
    assert [key for key in again if again[key] != written[key]] == [(2, 2)]
    owner.execute("DELETE FROM coupon_issue_request")
    assert not republish_any(cdc)
