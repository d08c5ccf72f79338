"""What the ledger keeps of a waiting room: numbers that were reserved, the lot, who may set it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon, create_coupon, find_coupon
from coupons.ledger.waiting_rooms import (
    Block,
    RoomOutcome,
    draw_lot,
    find_ticket_keys,
    read_lot,
    reserve_numbers,
    set_waiting_room,
)
from coupons.model import CouponState
from coupons.rooms import RoomOrder, WaitingRoom
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

FUTURE = datetime.now(UTC) + timedelta(days=1)
SLOW, FAST = WaitingRoom(1, RoomOrder.ARRIVAL), WaitingRoom(9, RoomOrder.ARRIVAL)
BY_LOT = WaitingRoom(1, RoomOrder.LOT)


@pytest.fixture
def api(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_api"), "test") as connection:
        yield connection


@pytest.fixture
def coupon_id(api: Connection, make_coupon: MakeCoupon) -> int:
    coupon_id = make_coupon(issue_starts_at=FUTURE).coupon_id
    assert set_waiting_room(api, coupon_id, SLOW, "a test") is RoomOutcome.DONE
    return coupon_id


def version(api: Connection, coupon_id: int) -> int:
    found = find_coupon(api, coupon_id)
    assert found is not None
    return found.version


def test_a_room_is_another_version_and_the_same_room_is_none(
    api: Connection, coupon_id: int
) -> None:
    before = find_coupon(api, coupon_id)
    assert before is not None
    assert before.room == SLOW
    assert set_waiting_room(api, coupon_id, SLOW, "a test") is RoomOutcome.DONE
    assert find_coupon(api, coupon_id) == before
    seen = [before.version]
    assert set_waiting_room(api, coupon_id, FAST, "a test", seen) is RoomOutcome.DONE
    after = find_coupon(api, coupon_id)
    assert after is not None
    assert after.version > before.version
    assert set_waiting_room(api, coupon_id, BY_LOT, "a test", seen) is RoomOutcome.CHANGED


def test_a_change_of_something_else_keeps_the_room(api: Connection, coupon_id: int) -> None:
    changed = change_coupon(api, coupon_id, name="another")
    assert changed is not None
    assert changed.room == SLOW


def test_a_room_begins_before_the_opening(api: Connection, make_coupon: MakeCoupon) -> None:
    coupon_id = make_coupon().coupon_id
    assert set_waiting_room(api, coupon_id, SLOW, "a test") is RoomOutcome.FIXED
    assert set_waiting_room(api, coupon_id + 9, SLOW, "a test") is RoomOutcome.NOT_FOUND
    change_coupon(api, coupon_id, state=CouponState.CLOSED)
    assert set_waiting_room(api, coupon_id, SLOW, "a test") is RoomOutcome.CLOSED


@pytest.mark.parametrize("starts_at", [FUTURE, FUTURE - timedelta(days=2)])
def test_a_draft_can_have_a_room(api: Connection, starts_at: datetime) -> None:
    """Whenever it starts: one that was made without a start has that of its making."""
    draft = create_coupon(
        api,
        coupon_id=None,
        name="of a test",
        total_quantity=1,
        issue_starts_at=starts_at,
        issue_ends_at=None,
        eligible_group=None,
        state="draft",
    )
    assert draft is not None
    assert set_waiting_room(api, draft.coupon_id, SLOW, "a test") is RoomOutcome.DONE


def test_the_order_stays_once_the_lot_is_drawn(api: Connection, coupon_id: int) -> None:
    set_waiting_room(api, coupon_id, BY_LOT, "a test")
    assert read_lot(api, coupon_id) is None
    lot = draw_lot(api, coupon_id, 5, version(api, coupon_id))
    assert lot is not None
    assert lot.size == 5
    assert len(lot.key) == 64
    assert draw_lot(api, coupon_id, 7, 0) == read_lot(api, coupon_id) == lot
    assert set_waiting_room(api, coupon_id, SLOW, "a test") is RoomOutcome.FIXED
    assert set_waiting_room(api, coupon_id, None, "a test") is RoomOutcome.DONE
    assert draw_lot(api, coupon_id, 9, 0) == lot


def test_no_lot_is_drawn_for_an_opening_that_was_moved(api: Connection, coupon_id: int) -> None:
    set_waiting_room(api, coupon_id, BY_LOT, "a test")
    counted = version(api, coupon_id)
    change_coupon(api, coupon_id, issue_starts_at=FUTURE + timedelta(days=1))
    assert draw_lot(api, coupon_id, 5, counted) is None
    assert read_lot(api, coupon_id) is None
    assert draw_lot(api, coupon_id, 6, version(api, coupon_id)) == read_lot(api, coupon_id)


def test_without_a_count_every_reserved_number_takes_part(api: Connection, coupon_id: int) -> None:
    reserve_numbers(api, coupon_id, "a", 0, 30)
    lot = draw_lot(api, coupon_id, None, version(api, coupon_id))
    assert lot is not None
    assert lot.size == 30


def test_a_block_is_behind_every_other_and_asking_again_gives_it_again(
    api: Connection, coupon_id: int
) -> None:
    assert reserve_numbers(api, coupon_id, "a", 0, 10) == Block(0, 10)
    assert reserve_numbers(api, coupon_id, "a", 0, 99) == Block(0, 10)
    assert reserve_numbers(api, coupon_id, "a", 10, 10) == Block(10, 20)
    assert reserve_numbers(api, coupon_id, "b", 0, 10) == Block(20, 30)
    assert reserve_numbers(api, coupon_id, "a", 0, 10) == Block(30, 40)


def test_who_asks_at_the_same_time_gets_the_same_block(database: Database, coupon_id: int) -> None:
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(connect_ledger(database.url("coupon_api"), "test"))
            for _ in range(8)
        ]
        with ThreadPoolExecutor(len(sessions)) as threads:
            blocks = threads.map(
                lambda each: reserve_numbers(each, coupon_id, "a", 0, 10), sessions
            )
            assert set(blocks) == {Block(0, 10)}


def test_a_key_of_tickets_belongs_to_one_coupon_and_stays(
    api: Connection, coupon_id: int, make_coupon: MakeCoupon
) -> None:
    other = make_coupon(issue_starts_at=FUTURE).coupon_id
    assert find_ticket_keys(api, [other]) == {}
    set_waiting_room(api, other, SLOW, "a test")
    keys = find_ticket_keys(api, [other, coupon_id])
    assert len(set(keys.values())) == 2
    set_waiting_room(api, coupon_id, None, "a test")
    set_waiting_room(api, coupon_id, FAST, "a test")
    assert find_ticket_keys(api, [coupon_id]) == {coupon_id: keys[coupon_id]}
