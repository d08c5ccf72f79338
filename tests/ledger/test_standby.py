"""The standby list in the ledger: who may join, the order, the end of a line, what is revoked."""

from collections.abc import Iterator

import pytest

from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupon_actions import NEWEST, list_coupon_actions
from coupons.ledger.coupons import change_coupon, find_coupon
from coupons.ledger.standby import (
    EntryState,
    Joining,
    StandbyCounts,
    count_standby,
    end_standby_entries,
    find_standby_entry,
    join_standby,
    set_standby_list,
    tidy_standby,
)
from coupons.model import Coupon, CouponState, IssuedChange, StandbyList
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.issued import request_and_issue
from tests.support.ledger import MakeCoupon

WHO = "user 1"


@pytest.fixture
def reconciler(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
        yield connection


@pytest.fixture
def coupon_id(make_coupon: MakeCoupon, api: Connection, database: Database) -> int:
    """Sold out: user 100 has the only one. It has a standby list."""
    made = make_coupon(total_quantity=1).coupon_id
    request_and_issue(database, made, range(100, 101))
    assert set_standby_list(api, made, is_on=True, acted_by=WHO)
    return made


def join(api: Connection, coupon_id: int, user: int, *groups: str) -> Joining:
    return join_standby(api, user, coupon_id, groups, is_sold_out=True)


def state_of(api: Connection, coupon_id: int, user: int) -> EntryState:
    entry = find_standby_entry(api, user, coupon_id)
    assert entry is not None
    return entry.state


def read(api: Connection, coupon_id: int) -> Coupon:
    found = find_coupon(api, coupon_id)
    assert found is not None
    return found


def test_the_first_who_joins_begins_a_line(api: Connection, coupon_id: int) -> None:
    """Its version changes with it, so that the gate learns it."""
    before = read(api, coupon_id)

    assert join(api, coupon_id, 1) is Joining.FIRST
    assert join(api, coupon_id, 2) is Joining.JOINED
    assert join(api, coupon_id, 1) is Joining.WAITING

    after = read(api, coupon_id)
    assert (before.standby, after.standby) == (StandbyList.EMPTY, StandbyList.WAITING)
    assert after.version > before.version
    assert [find_standby_entry(api, user, coupon_id).users_ahead for user in (1, 2)] == [0, 1]  # type: ignore[union-attr]


def test_who_joins_again_stands_behind(api: Connection, coupon_id: int) -> None:
    join(api, coupon_id, 1)
    join(api, coupon_id, 2)
    end_standby_entries(api, coupon_id, [1], EntryState.LEFT)

    assert join(api, coupon_id, 1) is Joining.JOINED

    entry = find_standby_entry(api, 1, coupon_id)
    assert entry is not None
    assert (entry.state, entry.users_ahead, entry.ended_at) == (EntryState.WAITING, 1, None)


def test_a_line_is_for_what_is_sold_out(api: Connection, coupon_id: int) -> None:
    """Asked while nobody waits: after that, no claim is admitted anyway."""
    assert join_standby(api, 1, coupon_id, [], is_sold_out=False) is Joining.NOT_SOLD_OUT
    join(api, coupon_id, 2)
    assert join_standby(api, 1, coupon_id, [], is_sold_out=False) is Joining.JOINED


def test_joining_is_refused_with_its_reason(
    api: Connection, coupon_id: int, make_coupon: MakeCoupon
) -> None:
    assert join(api, coupon_id, 100) is Joining.REQUESTED
    assert join(api, 10**9, 1) is Joining.NO_COUPON
    assert join(api, make_coupon().coupon_id, 1) is Joining.NO_LIST
    change_coupon(api, coupon_id, eligible_group="vip")
    assert join(api, coupon_id, 1, "other") is Joining.NOT_ELIGIBLE
    assert join(api, coupon_id, 1, "other", "vip") is Joining.FIRST
    change_coupon(api, coupon_id, state=CouponState.PAUSED)
    assert join(api, coupon_id, 2, "vip") is Joining.PAUSED
    change_coupon(api, coupon_id, state=CouponState.CLOSED)
    assert join(api, coupon_id, 2, "vip") is Joining.CLOSED


def test_a_line_that_nobody_is_in_ends(
    api: Connection, reconciler: Connection, coupon_id: int
) -> None:
    join(api, coupon_id, 1)
    assert tidy_standby(reconciler, coupon_id, 10)
    assert read(api, coupon_id).standby is StandbyList.WAITING
    end_standby_entries(api, coupon_id, [1], EntryState.LEFT)
    before = read(api, coupon_id)

    assert not tidy_standby(reconciler, coupon_id, 10)

    after = read(api, coupon_id)
    assert after.standby is StandbyList.EMPTY
    assert after.version > before.version


@pytest.mark.parametrize("end", ["closed", "off"])
def test_who_waits_is_told_that_the_line_ended(
    api: Connection, reconciler: Connection, coupon_id: int, end: str
) -> None:
    """At once, by what is read; then in the table, page by page."""
    for user in (1, 2, 3):
        join(api, coupon_id, user)
    if end == "closed":
        change_coupon(api, coupon_id, state=CouponState.CLOSED)
    else:
        assert set_standby_list(api, coupon_id, is_on=False, acted_by=WHO)
    assert state_of(api, coupon_id, 3) is EntryState.ENDED

    assert tidy_standby(reconciler, coupon_id, 2)
    assert not tidy_standby(reconciler, coupon_id, 2)

    entry = find_standby_entry(api, 3, coupon_id)
    assert entry is not None
    assert entry.ended_at is not None
    assert count_standby(api, coupon_id) == StandbyCounts(is_on=False, waiting=0, promoted=0)
    left = StandbyList.EMPTY if end == "closed" else None
    assert read(api, coupon_id).standby is left


def test_a_list_that_is_switched_on_again_keeps_its_line(api: Connection, coupon_id: int) -> None:
    join(api, coupon_id, 1)
    set_standby_list(api, coupon_id, is_on=False, acted_by=WHO)
    set_standby_list(api, coupon_id, is_on=True, acted_by=WHO)
    assert state_of(api, coupon_id, 1) is EntryState.WAITING
    actions = list_coupon_actions(api, coupon_id, NEWEST, 9)
    assert [each.detail for each in actions if each.action == "switch standby list"] == [
        *("on", "off", "on")
    ]


def test_who_waited_longest_is_told_last(
    api: Connection, reconciler: Connection, coupon_id: int
) -> None:
    """Switched on again in between, the list still has the head of its line."""
    for user in (1, 2, 3):
        join(api, coupon_id, user)
    set_standby_list(api, coupon_id, is_on=False, acted_by=WHO)
    assert tidy_standby(reconciler, coupon_id, 1)
    set_standby_list(api, coupon_id, is_on=True, acted_by=WHO)
    assert tidy_standby(reconciler, coupon_id, 1)
    states = [state_of(api, coupon_id, user) for user in (1, 2, 3)]
    assert states == [EntryState.WAITING, EntryState.WAITING, EntryState.ENDED]


def test_what_is_revoked_comes_back(api: Connection, coupon_id: int) -> None:
    """The stock is raised by one, and the audit says who did it."""
    change_owned_coupon(api, 100, coupon_id, IssuedChange.REVOKE, "user 9", reason="fraud")
    found = read(api, coupon_id)
    assert (found.total_quantity, found.issued_count) == (2, 1)
    last = list_coupon_actions(api, coupon_id, NEWEST, 1)[0]
    assert (last.acted_by, last.detail) == ("user 9", "stock: 1 -> 2")


def test_without_a_list_what_is_revoked_is_gone(
    api: Connection, make_coupon: MakeCoupon, database: Database
) -> None:
    made = make_coupon(total_quantity=1).coupon_id
    request_and_issue(database, made, range(100, 101))
    change_owned_coupon(api, 100, made, IssuedChange.REVOKE, "user 9", reason="fraud")
    assert read(api, made).total_quantity == 1
