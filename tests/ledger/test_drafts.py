"""Drafts in the ledger: what may become of one, whoever writes, and on which schema."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.errors import CheckViolation

from coupons.gate.changes import CouponChanged, CouponDraft, operate_in_ledger
from coupons.ledger.admin_states import count_archived, find_archived, open_draft
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupon_pages import search_coupons
from coupons.ledger.coupons import (
    change_coupon,
    find_coupon,
    list_coupons,
    list_live,
)
from coupons.model import Coupon, CouponState
from coupons.waiting import eventually
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

DRAFT = "UPDATE coupon SET admin_state = 'draft', state = 'paused'"
STATES = "SELECT state, admin_state FROM coupon"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
BEFORE_0020 = "ALTER TABLE coupon DROP COLUMN admin_state CASCADE"
"""With its constraint and triggers."""
AFTER_IT = "ALTER TABLE coupon ADD COLUMN admin_state text"


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def draft(make_coupon: MakeCoupon) -> Coupon:
    return make_coupon(state="draft")


def test_a_draft_is_paused_for_whoever_does_not_know_drafts(
    owner: psycopg.Connection, draft: Coupon
) -> None:
    """A process of an older version reads `state` alone, and admits nobody."""
    assert draft.state is CouponState.DRAFT
    assert owner.execute(STATES).fetchone() == ("paused", "draft")


@pytest.mark.parametrize("state", ["open", "closed"])
def test_an_older_api_changes_no_state_of_a_draft(
    api: Connection, draft: Coupon, state: str
) -> None:
    with pytest.raises(CheckViolation, match="coupon_admin_state_fits"):
        api.execute("UPDATE coupon SET state = %s, version = version + 1", [state])
    assert find_coupon(api, draft.coupon_id) == draft


@pytest.mark.parametrize(
    ("first", "change"),
    [
        ("", DRAFT),
        ("UPDATE coupon SET state = 'paused'", DRAFT),
        ("UPDATE coupon SET state = 'paused'", "UPDATE coupon SET admin_state = 'draft'"),
        (DRAFT, "UPDATE coupon SET admin_state = NULL"),
        (DRAFT, "UPDATE coupon SET admin_state = NULL, state = 'closed'"),
    ],
)
def test_a_draft_becomes_open_only_and_nothing_becomes_one(
    owner: psycopg.Connection, api: Connection, make_coupon: MakeCoupon, first: str, change: str
) -> None:
    """The owner, which no process runs as, may correct a coupon."""
    make_coupon()
    if first:
        owner.execute(first.encode())
    with pytest.raises(CheckViolation, match="a draft becomes open, nothing becomes a draft"):
        api.execute(change.encode())


@pytest.mark.parametrize("state", ["paused", "closed", "scheduled"])
def test_a_new_coupon_is_open_or_a_draft(make_coupon: MakeCoupon, state: str) -> None:
    with pytest.raises(CheckViolation, match="coupon_admin_state_fits"):
        make_coupon(state=state)


def test_a_draft_is_opened_with_the_version_that_was_seen(api: Connection, draft: Coupon) -> None:
    assert open_draft(api, draft.coupon_id, "ana", [draft.version - 1]) is None
    assert open_draft(api, draft.coupon_id + 1, "ana", None) is None
    opened = open_draft(api, draft.coupon_id, "ana", [1, draft.version])
    assert opened is not None
    assert opened.state is CouponState.OPEN
    assert opened.version > draft.version
    assert find_coupon(api, draft.coupon_id) == opened
    assert open_draft(api, draft.coupon_id, "ana", None) is None, "it is none any more"


def test_of_two_who_open_a_draft_at_once_one_does(
    database: Database, owner: psycopg.Connection, api: Connection, draft: Coupon
) -> None:
    """Only one opens the gate: the second could open it without the requests since."""
    with (
        connect_ledger(database.url("coupon_api"), "test") as other,
        ThreadPoolExecutor(2) as threads,
        owner.transaction(),
    ):
        owner.execute("SELECT FROM coupon FOR UPDATE")
        both = [
            threads.submit(open_draft, each, draft.coupon_id, "ana", None) for each in (api, other)
        ]
        with psycopg.connect(database.superuser_url, autocommit=True) as watching:

            def two_wait() -> bool:
                row = watching.execute(WAITING).fetchone()
                return row is not None and row[0] >= 2

            eventually(two_wait, what="both wait for the lock")
    assert sorted(each.result() is None for each in both) == [False, True]


def test_the_state_of_a_draft_is_not_changed_with_the_rest(api: Connection, draft: Coupon) -> None:
    for state in (CouponState.OPEN, CouponState.PAUSED, CouponState.CLOSED):
        assert change_coupon(api, draft.coupon_id, state=state) is None
    changed = change_coupon(api, draft.coupon_id, total_quantity=1, valid_for_days=1)
    assert changed is not None
    assert (changed.state, changed.total_quantity) == (CouponState.DRAFT, 1)


def test_operators_change_no_draft(database: Database, draft: Coupon) -> None:
    coupon_id, seen = draft.coupon_id, draft.version
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        for changes in ({"state": CouponState.OPEN}, {"total_quantity": 9}):
            with pytest.raises(CouponDraft):
                operate_in_ledger(ops, coupon_id, seen, changes, "ana")
        with pytest.raises(CouponChanged):
            operate_in_ledger(ops, coupon_id, seen - 1, {"total_quantity": 9}, "ana")
        assert find_coupon(ops, coupon_id) == draft


def test_a_draft_is_not_live(api: Connection, draft: Coupon, make_coupon: MakeCoupon) -> None:
    open_one = make_coupon()
    assert list_live(api, [], most=9) == ([open_one], 1)
    assert list_live(api, [draft.coupon_id], most=9) == ([draft, open_one], 2)


def test_processes_that_start_before_the_migration_read_coupons(
    database: Database, owner: psycopg.Connection, api: Connection, make_coupon: MakeCoupon
) -> None:
    """And go on with the same statements when it comes."""
    coupon = make_coupon()

    def use_every_query() -> None:
        assert find_coupon(api, coupon.coupon_id) == coupon
        assert list_coupons(api) == [coupon]
        assert list_live(api, [], most=1) == ([coupon], 1)
        assert find_archived(api, [coupon.coupon_id]) == set()
        assert count_archived(api) == 0
        assert [each.state for each in search_coupons(api, "", "open", 2**60, 9)] == ["open"]

    owner.execute(BEFORE_0020)
    use_every_query()
    owner.execute(AFTER_IT)
    use_every_query()
