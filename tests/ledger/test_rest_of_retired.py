"""What a retired coupon has besides requests goes with them: its list of users and its room."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from coupons.ledger.audiences import EVERYBODY, find_audience, list_audiences
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import find_coupon
from coupons.ledger.retired import drop_page
from coupons.waiting import eventually
from tests.ledger.retirements import COUNTS, WHO, begin, export, retire
from tests.ledger.test_erasing import erase
from tests.support.audiences import list_users
from tests.support.databases import Database
from tests.support.issued import as_owner, request_and_issue, waiters
from tests.support.ledger import MakeCoupon
from tests.support.retiring import archive, rows

REST = ("coupon_audience", "coupon_audience_chunk", "waiting_room", "standby_entry")
MIGRATION = Path("sql/migrations/0035_discarded_drafts.sql")
LINE = (
    "INSERT INTO standby_entry (user_id, coupon_id, state, ended_at) VALUES (9, %s, 'left', now())"
)


@pytest.fixture
def old(database: Database, api: Connection, make_coupon: MakeCoupon) -> int:
    """Archived long ago, with a list of three users, a room and a line; five have requests."""
    coupon_id = make_coupon(total_quantity=3).coupon_id
    list_users(api, coupon_id, (1, 2, 77))
    as_owner(database, "INSERT INTO waiting_room (coupon_id) VALUES (%s)", coupon_id)
    as_owner(database, LINE, coupon_id)
    request_and_issue(database, coupon_id, range(1, 6))
    archive(database, coupon_id)
    return coupon_id


def test_its_list_its_room_and_its_line_are_dropped(
    ops: Connection, api: Connection, database: Database, make_coupon: MakeCoupon, old: int
) -> None:
    """Of no other coupon; and the trail says how many users were on the list."""
    other = make_coupon().coupon_id
    list_users(api, other, (1, 2))
    before = rows(database, other, REST)
    retire(ops, old)
    assert set(rows(database, old, REST).values()) == {0}
    assert rows(database, other, REST) == before
    assert set(list_audiences(ops)) == {other}
    found = find_audience(ops, old)
    assert found is not None
    assert (found.form, found.size) == (EVERYBODY, None)
    detail = "SELECT detail FROM operator_action WHERE result = 'done' AND action = 'retire coupon'"
    assert as_owner(database, detail) == [("5 requests, a list of 3 users",)]
    coupon = find_coupon(ops, old)
    assert coupon is not None
    assert (coupon.issued_count, coupon.rejected_count) == (COUNTS.issued, 2)


def test_a_user_of_its_list_is_erased_before_and_after(ops: Connection, old: int) -> None:
    """Before the drop the list counts; afterwards there is none that names the user."""
    assert erase(ops, 77).counts["coupon_audience"] == 1
    retire(ops, old)
    assert erase(ops, 2).counts["coupon_audience"] == 0


def test_an_erasure_that_runs_is_waited_for(ops: Connection, database: Database, old: int) -> None:
    """It may be about to take a user out of the list or the line: this one has come to neither."""
    begin(ops, old)
    export(ops, old)
    last = drop_page(ops, old, 0, WHO).last_user_id
    with psycopg.connect(database.url("coupon_owner")) as running, ThreadPoolExecutor(1) as thread:
        running.execute("SELECT erase_user(500, '{}', 'a test', '14 days')")
        dropping = thread.submit(drop_page, ops, old, last, WHO)
        eventually(lambda: waiters(database) == 1, what="it waits")
        running.commit()
        assert dropping.result().is_done
    assert set(rows(database, old, REST).values()) == {0}


def test_an_upgrade_drops_what_coupons_have_left_that_were_retired_before(
    ops: Connection, database: Database, old: int
) -> None:
    """By the last statements of the migration, as they are there; the trail names the list."""
    last = MIGRATION.read_text("utf-8").partition("-- What coupons have left")[2].partition("\n")[2]
    trail = "SELECT coupon_id, detail FROM operator_action WHERE acted_by = 'coupon migrate'"
    drop_rest(database, last)
    assert 0 not in rows(database, old, REST).values()
    begin(ops, old)
    export(ops, old)
    as_owner(database, "UPDATE retired_coupon SET dropped_at = clock_timestamp()")
    assert as_owner(database, trail) == []
    for _ in range(2):
        drop_rest(database, last)
        assert set(rows(database, old, REST).values()) == {0}
        assert as_owner(database, trail) == [(old, "a list of 3 users")]
    found = find_audience(ops, old)
    assert found is not None
    assert found.form == EVERYBODY


def drop_rest(database: Database, statements: str) -> None:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(statements.encode())
