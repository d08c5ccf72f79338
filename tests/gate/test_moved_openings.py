"""A lot whose opening is moved while it is to be drawn: everybody who has arrived takes part."""

from datetime import UTC, datetime, timedelta

from coupons.gate.waiting_room import LOT_SECONDS, Arrival, NeedsLot, arrive
from coupons.ledger.connection import pooled
from coupons.ledger.waiting_rooms import draw_lot, read_lot
from coupons.model import to_microseconds
from coupons.rooms import RoomOrder
from tests.support.rooms import HOUR, OpenHall

SOON = timedelta(seconds=LOT_SECONDS / 2)


def now() -> datetime:
    return datetime.now(UTC)


def test_who_arrives_while_the_opening_is_moved_takes_part_in_the_lot(open_hall: OpenHall) -> None:
    """A process that is slow draws no lot among those whom it counted before."""
    hall = open_hall(order=RoomOrder.LOT)
    hall.arrive(1, 2)
    hall.move(now() + SOON, told=True)
    [counted] = arrive(hall.gate, [Arrival(hall.coupon_id, 3)], "a block")
    assert isinstance(counted, NeedsLot)
    hall.move(now() + HOUR, told=True)
    hall.arrive(3, 4)
    with pooled(hall.pool) as api:
        assert draw_lot(api, hall.coupon_id, *counted) is None
    hall.move(now() + SOON, told=True)
    positions = [wait.position for wait in hall.arrive(1, 2, 3, 4, 5)]
    assert sorted(positions, key=lambda position: position or 0) == [0, 1, 2, 3, 4]
    with pooled(hall.pool) as api:
        lot = read_lot(api, hall.coupon_id)
    assert lot is not None
    assert lot.size == 4


def test_no_lot_is_drawn_by_a_gate_that_does_not_know_of_the_move(open_hall: OpenHall) -> None:
    hall = open_hall(order=RoomOrder.LOT)
    hall.move(now() + SOON, told=True)
    hall.move(now() + HOUR, told=False)
    [waiting] = hall.arrive(1)
    assert waiting.position is None
    assert waiting.opens_at_us == to_microseconds(hall.coupon.issue_starts_at)
    with pooled(hall.pool) as api:
        assert read_lot(api, hall.coupon_id) is None
