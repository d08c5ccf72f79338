"""Archived coupons in the ledger: settled before, read-only afterwards, whoever writes."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.errors import CheckViolation

from coupons.gate.changes import CouponArchived, operate_in_ledger
from coupons.ledger.admin_states import archive_coupon, count_archived, find_archived
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import (
    begin_gate_epoch,
    change_coupon,
    find_coupon,
    list_coupon_ids,
    list_coupons,
    list_live,
)
from coupons.ledger.requests import accept_requests
from coupons.model import Admission, Coupon, CouponState
from coupons.queries import query
from coupons.waiting import eventually
from tests.support.databases import Database
from tests.support.issued import issue
from tests.support.ledger import MakeCoupon

MOMENT_US = 1_700_000_000_000_000
ARCHIVE = "UPDATE coupon SET admin_state = 'archived'"
MANY_ARCHIVED = """
INSERT INTO coupon (name, total_quantity, state, admin_state)
SELECT 'of the past', 9, 'closed', 'archived' FROM generate_series(1, 10000)
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture
def closed(api: Connection, make_coupon: MakeCoupon) -> Coupon:
    changed = change_coupon(api, make_coupon().coupon_id, state=CouponState.CLOSED)
    assert changed is not None
    return changed


@pytest.fixture
def archived(api: Connection, closed: Coupon) -> Coupon:
    done = archive_coupon(api, closed.coupon_id, "ana")
    assert done is not None
    return done


def accept(api: Connection, coupon: Coupon, *users: int) -> None:
    assert accept_requests(
        api,
        [Admission(coupon.coupon_id, user, MOMENT_US, coupon.gate_epoch, False) for user in users],
    )


def test_an_archived_coupon_is_closed_for_whoever_does_not_know_the_state(
    database: Database, archived: Coupon, api: Connection
) -> None:
    assert archived.state is CouponState.ARCHIVED
    assert find_coupon(api, archived.coupon_id) == archived
    with psycopg.connect(database.url("coupon_ops")) as ops:
        row = ops.execute("SELECT state, admin_state FROM coupon").fetchone()
    assert row == ("closed", "archived")
    assert list_live(api, [], most=9) == ([], 0)


def test_a_coupon_is_archived_when_each_request_is_final(
    database: Database, api: Connection, closed: Coupon
) -> None:
    accept(api, closed, 1, 2)
    issue(database, (closed.coupon_id, 1))
    with pytest.raises(CheckViolation, match="some of its requests are not final"):
        archive_coupon(api, closed.coupon_id)
    issue(database, (closed.coupon_id, 2))
    assert archive_coupon(api, closed.coupon_id, None, [closed.version - 1]) is None
    assert archive_coupon(api, closed.coupon_id, None, [closed.version]) is not None


def test_a_request_that_is_being_written_is_waited_for(
    database: Database, api: Connection, closed: Coupon
) -> None:
    with (
        connect_ledger(database.url("coupon_api"), "test") as writer,
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(database.superuser_url, autocommit=True) as watching,
    ):
        with writer.transaction():
            accept(writer, closed, 1)
            archiving = threads.submit(archive_coupon, api, closed.coupon_id)

            def it_waits() -> bool:
                row = watching.execute(WAITING).fetchone()
                return row is not None and row[0] >= 1

            eventually(it_waits, what="archiving waits for the request")
        with pytest.raises(CheckViolation, match="not final"):
            archiving.result()


@pytest.mark.parametrize("state", ["open", "paused"])
def test_what_is_not_closed_is_not_archived(
    api: Connection, make_coupon: MakeCoupon, state: str
) -> None:
    coupon_id = make_coupon().coupon_id
    change_coupon(api, coupon_id, state=CouponState(state))
    assert archive_coupon(api, coupon_id) is None
    with pytest.raises(CheckViolation, match="coupon_admin_state_fits"):
        api.execute(ARCHIVE)


@pytest.mark.parametrize(
    "change",
    [
        "admin_state = NULL",
        "admin_state = NULL, state = 'open'",
        "name = 'y'",
        "total_quantity = 500",
        "issue_ends_at = now() + interval '1 day'",
        "valid_until = now() + interval '1 day'",
        "metadata = '{}'",
        "version = version + 1",
        "state = 'open', version = version + 1",
    ],
)
def test_archived_is_final_and_read_only(api: Connection, archived: Coupon, change: str) -> None:
    with pytest.raises(CheckViolation):
        api.execute(f"UPDATE coupon SET {change}".encode())
    assert find_coupon(api, archived.coupon_id) == archived


def test_archiving_is_a_fence(api: Connection, closed: Coupon) -> None:
    """Nothing that was admitted before is written after it, however late it comes."""
    archived = archive_coupon(api, closed.coupon_id)
    assert archived is not None
    assert archived.gate_epoch > closed.gate_epoch
    late = Admission(closed.coupon_id, 1, MOMENT_US, closed.gate_epoch, False)
    assert accept_requests(api, [late]) == set()


def test_listing_coupons_reads_no_archived_one(
    database: Database, api: Connection, archived: Coupon, make_coupon: MakeCoupon
) -> None:
    """By the plan: ten thousand of them are neither read nor filtered out."""
    live = make_coupon()
    assert list_coupons(api) == [live]
    assert list_coupon_ids(api) == [archived.coupon_id, live.coupon_id]
    assert list_live(api, [archived.coupon_id], most=9) == ([live], 1)
    assert find_archived(api, [archived.coupon_id, live.coupon_id, 99]) == {archived.coupon_id}
    assert count_archived(api) == 1
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
        owner.execute(MANY_ARCHIVED)
        owner.execute("ANALYZE coupon")
        for name in ("list_coupons", "list_live_coupons"):
            plan = owner.execute(
                b"EXPLAIN ANALYZE " + query(name), {"also": [archived.coupon_id], "most": 9}
            ).fetchall()
            text = "\n".join(line for (line,) in plan)
            assert "coupon_not_archived" in text, text
            assert "Rows Removed" not in text, text


def test_neither_issuing_nor_a_rebuild_is_a_change(
    database: Database, api: Connection, archived: Coupon
) -> None:
    """A claim that was admitted before it was closed becomes final, whenever it is written."""
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        fenced = begin_gate_epoch(reconciler, archived.coupon_id)
    assert fenced is not None
    accept(api, fenced, 1)
    issue(database, (archived.coupon_id, 1))
    found = find_coupon(api, archived.coupon_id)
    assert found is not None
    assert (found.state, found.issued_count) == (CouponState.ARCHIVED, 1)


def test_operators_change_no_archived_coupon(database: Database, archived: Coupon) -> None:
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        for changes in ({"state": CouponState.CLOSED}, {"total_quantity": 9}):
            with pytest.raises(CouponArchived):
                operate_in_ledger(ops, archived.coupon_id, archived.version, changes, "ana")
        assert find_coupon(ops, archived.coupon_id) == archived
