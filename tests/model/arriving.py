"""Waiting rooms: set and taken away, users who arrive, and Redis that loses them."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from api.arrivals import Arrivals, Arrived, WantedPosition
from coupons.gate.waiting_room import Outside
from coupons.ledger.coupons import find_coupon
from coupons.ledger.waiting_rooms import RoomOutcome, set_waiting_room
from coupons.model import CouponState, GateState
from coupons.rooms import RoomOrder, WaitingRoom
from tests.model.expected import GROUP, ExpectedCoupon
from tests.model.machine import GateAndLedger
from tests.model.start import USERS, coupon_ids
from tests.model.system import System

ROOM = WaitingRoom(1_000, RoomOrder.ARRIVAL)
people = st.lists(st.sampled_from(USERS), min_size=1, max_size=4, unique=True)


class RoomsOfCoupons(GateAndLedger):
    """Every turn has come: who has arrived, and is at the gate, may claim. Nobody is erased."""

    erase = watch = None  # type: ignore[assignment]

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.arrivals = Arrivals(self.gate, system.pool)
        self.tickets: dict[tuple[int, int], str] = {}
        self.numbers: dict[tuple[int, int], int] = {}

    @rule(coupon_id=coupon_ids, told=st.booleans(), opened=st.sampled_from([True, True, False]))
    def set_room(self, coupon_id: int, told: bool, opened: bool) -> None:
        """Before the coupon opens, which is moved for it. opened: it opens after that."""
        coupon = self.expected[coupon_id]
        is_movable = coupon.is_rebuilt and not coupon.is_final and coupon.lives.until is None
        if is_movable:
            self._change(coupon_id, told, window="before")
        self._set(coupon, ROOM, told)
        if is_movable and opened:
            self._change(coupon_id, told, window="within")

    @rule(coupon_id=coupon_ids, told=st.booleans())
    def take_room_away(self, coupon_id: int, told: bool) -> None:
        self._set(self.expected[coupon_id], None, told)

    @rule(coupon_id=coupon_ids, users=people)
    def arrive(self, coupon_id: int, users: Sequence[int]) -> None:
        """Together, with the tickets that they have."""
        coupon = self.expected[coupon_id]
        wanted = [
            WantedPosition(coupon_id, user, (GROUP,), self.tickets.get((coupon_id, user)))
            for user in users
        ]
        for user, result in zip(users, self.arrivals.take(wanted), strict=True):
            key = coupon_id, user
            if coupon.gate_epoch is None:
                assert isinstance(result, GateState)
            elif outside := self._outside(coupon, user):
                assert result is outside, (result, outside)
            else:
                assert isinstance(result, Arrived), result
                number = result.waiting.number
                others = [n for (of, _), n in self.numbers.items() if of == coupon_id]
                if key in self.numbers:
                    assert number == self.numbers[key], "who has a ticket keeps the number"
                else:
                    assert all(number > other for other in others), "somebody is overtaken"
                self.numbers[key], self.tickets[key] = number, result.ticket
                coupon.arrived.add(user)

    def _outside(self, coupon: ExpectedCoupon, user_id: int) -> Outside | None:
        at_gate = coupon.at_gate
        if not at_gate.has_room:
            return Outside.NO_ROOM
        is_closed = at_gate.state in (CouponState.CLOSED, CouponState.ARCHIVED)
        if is_closed or at_gate.window == "after":
            return Outside.CLOSED
        if coupon.places_left <= 0:
            return Outside.SOLD_OUT
        is_known = user_id in coupon.arrived or (coupon.coupon_id, user_id) in self.tickets
        is_listed = coupon.gate_audience is None or user_id in coupon.gate_audience
        return None if is_known or is_listed else Outside.NOT_ELIGIBLE

    def _set(self, coupon: ExpectedCoupon, room: WaitingRoom | None, told: bool) -> None:
        api = self.system.ledger["api"]
        outcome = set_waiting_room(api, coupon.coupon_id, room, "model")
        assert outcome is _outcome(coupon, room)
        if outcome is RoomOutcome.DONE:
            coupon.has_room = room is not None
            found = find_coupon(api, coupon.coupon_id)
            assert found is not None
            coupon.change(found.version, None, None, None)
            if told:
                self.gate.define(found)
                coupon.define()

    def _lose(self, by: str) -> None:
        super()._lose(by)
        if by == "flush":
            for coupon in self.expected.values():
                coupon.arrived.clear()

    @invariant()
    def no_number_is_given_twice(self) -> None:
        given = [(coupon_id, number) for (coupon_id, _), number in self.numbers.items()]
        assert len(set(given)) == len(given)


def _outcome(coupon: ExpectedCoupon, room: WaitingRoom | None) -> RoomOutcome:
    definition = coupon.definition
    if coupon.has_room == (room is not None):
        return RoomOutcome.DONE
    if coupon.is_archived:
        return RoomOutcome.ARCHIVED
    if definition.state is CouponState.CLOSED:
        return RoomOutcome.CLOSED
    has_opened = definition.window != "before" and not coupon.is_draft
    return RoomOutcome.FIXED if room is not None and has_opened else RoomOutcome.DONE
