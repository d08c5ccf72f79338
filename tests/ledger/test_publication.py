"""The publication is put in order by the connector's role, which may do nothing else to it."""

from collections.abc import Iterator

import psycopg
import pytest

from connectors.publication import Publication, make_publication, read_publication, slot_can_be_read
from coupons.ledger.connection import Connection, connect_ledger
from tests.support.databases import Database


@pytest.fixture
def cdc(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_cdc"), "test") as connection:
        yield connection


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as connection:
        yield connection


def test_one_in_order_is_left_alone(cdc: Connection) -> None:
    assert read_publication(cdc) is Publication.RIGHT
    assert make_publication(cdc) is None


def test_a_missing_one_is_made(cdc: Connection, owner: psycopg.Connection) -> None:
    owner.execute("DROP PUBLICATION coupon_cdc")
    assert read_publication(cdc) is Publication.MISSING
    assert make_publication(cdc) == "made"
    assert read_publication(cdc) is Publication.RIGHT


@pytest.mark.parametrize(
    "change",
    [
        "SET TABLE cdc_heartbeat",
        "ADD TABLE issued_coupon",
        "SET (publish = 'insert, delete')",
        "SET (publish = 'update')",
        "SET (publish_via_partition_root)",
        "SET TABLE cdc_heartbeat, coupon_issue_request WHERE (user_id > 10)",
        "SET TABLE cdc_heartbeat, coupon_issue_request (coupon_id, user_id)",
    ],
)
def test_one_that_was_changed_is_found_and_corrected(
    cdc: Connection, owner: psycopg.Connection, change: str
) -> None:
    owner.execute(f"ALTER PUBLICATION coupon_cdc {change}".encode())
    assert read_publication(cdc) is Publication.WRONG
    assert make_publication(cdc) == "corrected"
    assert read_publication(cdc) is Publication.RIGHT


def test_one_that_publishes_a_whole_schema_too_is_found_and_corrected(
    cdc: Connection, database: Database
) -> None:
    """Tables of later migrations would be in it."""
    with psycopg.connect(database.superuser_url, dbname=database.name) as superuser:
        superuser.execute("ALTER PUBLICATION coupon_cdc ADD TABLES IN SCHEMA public")
    assert read_publication(cdc) is Publication.WRONG
    assert make_publication(cdc) == "corrected"
    assert read_publication(cdc) is Publication.RIGHT


def test_postgres_17_cannot_read_a_slot_over_a_time_without_publication(
    cdc: Connection, owner: psycopg.Connection, database: Database
) -> None:
    """Later ones pass over what was written meanwhile."""
    cdc.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [database.name])
    try:
        owner.execute("INSERT INTO coupon_issue_request VALUES (1, 1, now())")
        assert slot_can_be_read(cdc, database.name)
        owner.execute("DROP PUBLICATION coupon_cdc")
        owner.execute("INSERT INTO coupon_issue_request VALUES (1, 2, now())")
        make_publication(cdc)
        cdc.execute(
            "SELECT count(*) FROM pg_logical_slot_get_binary_changes(%s, NULL, 1,"
            " 'proto_version', '1', 'publication_names', 'coupon_cdc')",
            [database.name],
        )
        assert slot_can_be_read(cdc, database.name) == (cdc.info.server_version >= 180_000)
    finally:
        cdc.execute("SELECT pg_drop_replication_slot(%s)", [database.name])
