"""A Postgres whose disk is full: readiness and the doctor say so, and all is well with room."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from api.routes.health import Readiness
from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import connect_ledger
from coupons.ledger.refusals import LedgerRefusal
from coupons.ledger.write_check import check_takes_writes
from tests.api.test_trouble import is_503
from tests.support.api import NewCoupon
from tests.support.databases import Database
from tests.support.servers import PostgresServer
from tests.support.volume import Volume, mounted

SIZE = "16m"
MOVED = ("TABLE write_check", "TABLE coupon_issue_request", "INDEX coupon_issue_request_pkey")


@pytest.fixture
def volume(database: Database, postgres_server: PostgresServer) -> Iterator[Volume]:
    """A small file system, on which the tables are that claims are written to."""
    with mounted(SIZE) as made:
        space = made.path / "space"
        space.mkdir()
        assert postgres_server.home is not None
        owner = postgres_server.home.stat()
        os.chown(space, owner.st_uid, owner.st_gid)
        url = database.superuser_url
        with psycopg.connect(url, dbname=database.name, autocommit=True) as superuser:
            place = sql.Literal(str(space))
            superuser.execute(sql.SQL("CREATE TABLESPACE of_a_test LOCATION {}").format(place))
            _move(superuser, "of_a_test")
            yield made
            made.make_room()
            _move(superuser, "pg_default")
            superuser.execute("DROP TABLESPACE of_a_test")


def _move(superuser: psycopg.Connection[Any], place: str) -> None:
    for each in MOVED:
        superuser.execute(f"ALTER {each} SET TABLESPACE {place}")


def test_a_full_disk_is_named_and_claims_go_on_when_there_is_room(
    volume: Volume,
    readiness: Readiness,
    new_coupon: NewCoupon,
    claim: Callable[..., Any],
    database: Database,
) -> None:
    coupon_id = new_coupon(total_quantity=100_000)
    assert claim(coupon_id, 1).status_code == 202
    volume.fill()
    status, states = readiness.check()
    assert (status, states["redis"]) == (503, "ready")
    assert states["postgres"].startswith(f"not ready: {LedgerRefusal.DISK_FULL}")
    with (
        connect_ledger(database.url("coupon_ops"), "test") as ops,
        pytest.raises(LedgerUnavailable, match="its disk is full"),
    ):
        check_takes_writes(ops)
    refused = next(
        told for user in range(2, 5_000) if (told := claim(coupon_id, user)).status_code != 202
    )
    is_503(refused, "ledger-unavailable")
    volume.make_room()
    assert readiness.check()[0] == 200
    assert claim(coupon_id, 5_000).status_code == 202
