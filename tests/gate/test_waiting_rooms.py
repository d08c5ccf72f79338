"""The waiting room at the gate: order, turns, the lot, and what is lost with Redis."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from api.arrivals import WantedPosition
from coupons.errors import LedgerUnavailable
from coupons.gate import erasing
from coupons.gate.audiences import bring_audience
from coupons.gate.erasing import erase_user
from coupons.gate.rebuild import rebuild
from coupons.gate.refusals import GateRefusal, GateRefused
from coupons.gate.values import coupon_key
from coupons.gate.waiting_room import LOT_SECONDS, ROOM_SHARDS, Outside, forget_arrivals
from coupons.ledger.audiences import list_audiences, parse_form
from coupons.ledger.connection import connect_ledger, pooled
from coupons.ledger.waiting_rooms import read_lot
from coupons.model import Admission, Claim, GateState, Refusal, StandbyList
from coupons.rooms import RoomOrder
from tests.support.audiences import list_users
from tests.support.databases import Database
from tests.support.issued import as_owner
from tests.support.refusing import redis_that
from tests.support.rooms import HOUR, OpenHall, lot_position

SOON = timedelta(seconds=LOT_SECONDS / 2)


def now() -> datetime:
    return datetime.now(UTC)


def test_positions_are_in_the_order_of_arrival_and_stay(open_hall: OpenHall) -> None:
    """Over blocks, batches and repeats: everybody has one number, and nobody has another's."""
    hall = open_hall()
    users = list(range(1, 451))
    first = hall.numbers(*users[:300]) + hall.numbers(*users[300:])
    assert first == list(range(450))
    assert hall.numbers(*reversed(users)) == list(reversed(first))


def test_a_position_has_its_turn_at_the_opening_and_its_share_of_seconds(
    open_hall: OpenHall,
) -> None:
    hall = open_hall(rate=3)
    waits = hall.arrive(1, 2, 3, 4)
    assert [wait.people_before for wait in waits] == [0, 1, 2, 3]
    turns = [(wait.turn_at_us or 0) - wait.opens_at_us for wait in waits]
    assert turns == [0, 333_334, 666_667, 1_000_000]


def test_nobody_is_admitted_before_the_turn_nor_without_arriving(open_hall: OpenHall) -> None:
    hall = open_hall()
    hall.arrive(*range(1, 201))
    hall.define(issue_starts_at=now())
    claims = [Claim(hall.coupon_id, user) for user in (1, 200, 999)]
    first, last, stranger = hall.gate.admit(claims)
    assert isinstance(first, Admission)
    assert last is stranger is Refusal.NOT_YOUR_TURN
    hall.define(issue_starts_at=now() - timedelta(seconds=199))
    admitted, stranger = hall.gate.admit(claims[1:])
    assert isinstance(admitted, Admission)
    assert stranger is Refusal.NOT_YOUR_TURN


def test_who_was_admitted_keeps_it_whatever_becomes_of_the_turn(open_hall: OpenHall) -> None:
    hall = open_hall()
    hall.arrive(1)
    hall.define(issue_starts_at=now())
    [admitted] = hall.gate.admit([Claim(hall.coupon_id, 1)])
    assert isinstance(admitted, Admission)
    forget_arrivals(hall.gate, [hall.coupon_id], 1)
    assert hall.gate.admit([Claim(hall.coupon_id, 1)]) == [admitted._replace(repeated=True)]


def test_without_a_room_nobody_waits_and_nobody_can_arrive(open_hall: OpenHall) -> None:
    """Also once it was taken away: then everybody may claim."""
    hall = open_hall()
    hall.arrive(1, 2)
    hall.define(issue_starts_at=now(), room=None)
    decisions = hall.gate.admit([Claim(hall.coupon_id, user) for user in (2, 3)])
    assert [type(decision) for decision in decisions] == [Admission] * 2
    assert hall.positions(4) == [Outside.NO_ROOM]


def test_after_a_loss_tickets_bring_positions_back_and_others_stand_behind(
    open_hall: OpenHall,
) -> None:
    hall = open_hall()
    before = hall.numbers(1, 2, 3)
    hall.lose_redis()
    [newcomer] = hall.numbers(4)
    assert newcomer >= 200
    assert hall.numbers(3, 2, 1) == list(reversed(before))
    del hall.tickets[2]
    hall.lose_redis()
    assert hall.numbers(2)[0] > newcomer


def test_numbers_that_a_failover_forgot_are_not_given_again(open_hall: OpenHall) -> None:
    hall = open_hall()
    hall.arrive(1)
    back = hall.fail_over()
    [forgotten] = hall.numbers(2)
    back()
    assert hall.numbers(3)[0] > forgotten
    assert hall.numbers(1, 2) == [0, forgotten]


def test_the_lot_gives_each_position_once_and_anybody_can_check_it(open_hall: OpenHall) -> None:
    hall = open_hall(order=RoomOrder.LOT)
    users = range(1, 501)
    assert {wait.position for wait in hall.arrive(*users)} == {None}
    with pooled(hall.pool) as connection:
        assert read_lot(connection, hall.coupon_id) is None
    hall.define(issue_starts_at=now() + SOON)
    waits = hall.arrive(*users)
    positions = [wait.position for wait in waits]
    assert sorted(positions, key=lambda position: position or 0) == list(range(500))
    assert positions != list(range(500))
    with pooled(hall.pool) as connection:
        lot = read_lot(connection, hall.coupon_id)
    assert lot is not None
    assert positions == [lot_position(lot.key, lot.size, wait.number) for wait in waits]


def test_who_comes_after_the_lot_stands_behind_in_order(open_hall: OpenHall) -> None:
    hall = open_hall(order=RoomOrder.LOT)
    hall.arrive(1, 2, 3)
    hall.define(issue_starts_at=now() + SOON)
    assert [wait.position for wait in hall.arrive(8, 9)] == [3, 4]


def test_the_lot_stays_the_same_whatever_redis_loses(open_hall: OpenHall) -> None:
    """A loss before it is drawn costs nobody their part in it; later no position changes."""
    hall = open_hall(order=RoomOrder.LOT)
    hall.arrive(1, 2, 3)
    hall.lose_redis()
    hall.define(issue_starts_at=now() + SOON)
    positions = [wait.position for wait in hall.arrive(1, 2, 3)]
    assert None not in positions
    assert len(set(positions)) == 3
    assert all((position or 0) < 200 for position in positions)
    hall.lose_redis()
    assert [wait.position for wait in hall.arrive(1, 2, 3)] == positions
    assert hall.arrive(4)[0].position == hall.arrive(4)[0].number >= 200


def test_a_claim_before_the_lot_is_drawn_waits(open_hall: OpenHall) -> None:
    hall = open_hall(order=RoomOrder.LOT)
    hall.arrive(1)
    hall.define(issue_starts_at=now())
    assert hall.gate.admit([Claim(hall.coupon_id, 1)]) == [Refusal.NOT_YOUR_TURN]
    hall.arrive(1)
    assert isinstance(hall.gate.admit([Claim(hall.coupon_id, 1)])[0], Admission)


def test_keys_of_another_type_are_taken_as_lost(open_hall: OpenHall) -> None:
    hall = open_hall()
    before = hall.numbers(1, 2)
    for key in list(hall.gate.client.scan_iter("coupon:{*}:room*")):
        hall.gate.client.delete(key)
        hall.gate.client.set(key, "x")
    assert hall.gate.admit([Claim(hall.coupon_id, 1)]) == [Refusal.NOT_OPEN]
    hall.define(issue_starts_at=now())
    assert hall.gate.admit([Claim(hall.coupon_id, 1)]) == [Refusal.NOT_YOUR_TURN]
    assert hall.numbers(1, 2) == before
    assert isinstance(hall.gate.admit([Claim(hall.coupon_id, 1)])[0], Admission)


def test_an_arrival_that_redis_refuses_costs_nobody_their_number(
    open_hall: OpenHall, valkey_url: str
) -> None:
    """Not those either who have theirs in the same key."""
    hall = open_hall()
    hall.arrive(1, 2)
    with redis_that(GateRefusal.OUT_OF_MEMORY, valkey_url):
        [refused] = hall.positions(1 + ROOM_SHARDS)
    assert isinstance(refused, GateRefused)
    hall.tickets.clear()
    assert [wait.number for wait in hall.arrive(1, 2, only_asks=True)] == [0, 1]
    assert hall.numbers(1 + ROOM_SHARDS) == [2]


def test_a_lost_part_of_the_list_gives_no_number_twice(
    open_hall: OpenHall, database: Database
) -> None:
    """The coupon is unavailable until it is rebuilt, so that the list is whole again."""
    hall = open_hall()
    with closing(connect_ledger(database.url("coupon_reconciler"), "test")) as reconciler:
        with pooled(hall.pool) as api:
            list_users(api, hall.coupon_id, range(1, 3_000))
        assert bring_audience(hall.gate, reconciler, hall.coupon_id)
        form = parse_form(list_audiences(reconciler)[hall.coupon_id])
        lost = f"{coupon_key(hall.coupon_id)}:audience:{form.version}:1"
        assert hall.gate.client.delete(lost)
        users = (form.chunks, form.chunks + 1)  # of the first part, and of the lost one
        wanted = [WantedPosition(hall.coupon_id, user) for user in users]
        assert hall.arrivals.take(wanted) == [GateState.UNREADABLE] * 2
        assert hall.arrivals.take(wanted) == [GateState.STALE] * 2
        assert rebuild(hall.gate, reconciler, hall.coupon_id) == 0
    assert hall.numbers(*reversed(users)) == [0, 1]


def test_nobody_arrives_where_places_come_back_to_a_line(open_hall: OpenHall) -> None:
    hall = open_hall()
    hall.define(standby=StandbyList.WAITING)
    assert hall.positions(1) == [Outside.SOLD_OUT]


def test_nobody_arrives_where_nothing_is_left_or_it_is_over(open_hall: OpenHall) -> None:
    hall = open_hall(total_quantity=1)
    hall.arrive(1)
    hall.define(issue_starts_at=now())
    hall.gate.admit([Claim(hall.coupon_id, 1)])
    assert hall.positions(2) == [Outside.SOLD_OUT]
    hall.define(issue_ends_at=now())
    assert hall.positions(2) == [Outside.CLOSED]


def test_only_who_may_claim_gets_a_position(open_hall: OpenHall) -> None:
    hall = open_hall(eligible_group="gold")
    assert hall.positions(1) == [Outside.NOT_ELIGIBLE]
    assert hall.positions(1, groups=("silver", "gold"))[0] not in set(Outside)


def test_erasing_a_user_removes_them_from_the_room(open_hall: OpenHall) -> None:
    hall = open_hall()
    hall.arrive(1, 2)
    with pooled(hall.pool) as connection:
        erase_user(hall.gate, connection, 1, "a test", HOUR)
    hall.tickets.clear()
    assert hall.positions(1, only_asks=True) == [Outside.NOT_ARRIVED]
    assert hall.numbers(2) == [1]


def test_the_room_has_forgotten_the_user_before_a_proof_says_so(
    open_hall: OpenHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who only arrived is in the room and nowhere else; nothing would end what is cut off here."""
    hall = open_hall()
    hall.arrive(1)

    def cut_off(*_: object) -> None:
        raise LedgerUnavailable("the process ends")

    monkeypatch.setattr(erasing, "_erase_at_gate", cut_off)
    with pooled(hall.pool) as connection, pytest.raises(LedgerUnavailable):
        erase_user(hall.gate, connection, 1, "a test", HOUR)
    assert hall.positions(1, only_asks=True) == [Outside.NOT_ARRIVED]


def test_a_coupon_that_cannot_be_read_forgets_the_user_too(
    open_hall: OpenHall, database: Database
) -> None:
    hall = open_hall()
    hall.arrive(1)
    as_owner(database, "ALTER TABLE coupon DROP CONSTRAINT coupon_end_is_readable")
    as_owner(
        database,
        "UPDATE coupon SET issue_ends_at = 'infinity' WHERE coupon_id = %s",
        hall.coupon_id,
    )
    with pooled(hall.pool) as connection:
        erase_user(hall.gate, connection, 1, "a test", HOUR)
    assert hall.positions(1, only_asks=True) == [Outside.NOT_ARRIVED]
