"""Arrivals in waiting rooms, a batch at a time: one script call a coupon, and rarely the ledger."""

from collections.abc import Sequence
from secrets import token_hex
from typing import NamedTuple

from api.ticket_keys import KnownKeys, LedgerOfBatch
from coupons.errors import CouponError, LedgerUnavailable, RedisUnavailable
from coupons.gate import Gate
from coupons.gate.waiting_room import (
    Arrival,
    NeedsLot,
    NeedsNumbers,
    Outside,
    Position,
    Waiting,
    arrive,
    give_block,
    give_lot,
)
from coupons.ledger.connection import LedgerPool
from coupons.ledger.coupons import find_coupon
from coupons.ledger.waiting_rooms import draw_lot, reserve_numbers
from coupons.model import GateState
from coupons.tickets import make_ticket, read_ticket

SECONDS_PER_BLOCK, FEWEST_PER_BLOCK = 10, 200
"""A block has the turns of so many seconds: what is left of it when Redis loses it stays empty."""
MOST_ATTEMPTS = 20


class WantedPosition(NamedTuple):
    """A user arrives, with the ticket of an earlier arrival if there is one, or only asks."""

    coupon_id: int
    user_id: int
    groups: tuple[str, ...] = ()
    ticket: str | None = None
    only_asks: bool = False


class NotATicket(CouponError):
    """The ticket is not this user's for this coupon."""


class Arrived(NamedTuple):
    """A user in the room, and the ticket that brings them back."""

    waiting: Waiting
    ticket: str


ArrivalResult = Arrived | Outside | GateState | CouponError
"""An error: of this arrival, or of all of its coupon."""


class Arrivals:
    """Takes batches of arrivals. Safe to share between threads."""

    def __init__(self, gate: Gate, pool: LedgerPool) -> None:
        self._gate = gate
        self._pool = pool
        self._known_keys = KnownKeys()

    def take(self, wanted: Sequence[WantedPosition]) -> Sequence[ArrivalResult]:
        """A result for each, in the same order."""
        by_coupon: dict[int, list[int]] = {}
        for index, each in enumerate(wanted):
            by_coupon.setdefault(each.coupon_id, []).append(index)
        ledger = LedgerOfBatch(self._pool, self._known_keys)
        ledger.look_up(each.coupon_id for each in wanted if each.ticket is not None)
        batch = _Batch(self._gate, ledger)
        results: dict[int, ArrivalResult] = {}
        for coupon_id, indexes in by_coupon.items():
            try:
                found = batch.of_coupon(coupon_id, [wanted[index] for index in indexes])
            except (RedisUnavailable, LedgerUnavailable) as error:
                found = [error] * len(indexes)
            results.update(zip(indexes, found, strict=True))
        return [results[index] for index in range(len(wanted))]


class _Batch:
    def __init__(self, gate: Gate, ledger: LedgerOfBatch) -> None:
        self._gate = gate
        self._ledger = ledger

    def of_coupon(self, coupon_id: int, wanted: Sequence[WantedPosition]) -> list[ArrivalResult]:
        """Raises RedisUnavailable or LedgerUnavailable."""
        arrivals: dict[int, Arrival] = {}
        results: dict[int, ArrivalResult] = {}
        for index, each in enumerate(wanted):
            try:
                arrivals[index] = self._arrival(each)
            except NotATicket as error:
                results[index] = error
        for index, position in self._positions(coupon_id, arrivals).items():
            results[index] = self._with_ticket(wanted[index], position)
        return [results[index] for index in range(len(wanted))]

    def _arrival(self, wanted: WantedPosition) -> Arrival:
        number = None
        if wanted.ticket is not None:
            key = self._ledger.ticket_key(wanted.coupon_id)
            if key is not None:
                number = read_ticket(key, wanted.coupon_id, wanted.user_id, wanted.ticket)
            if number is None:
                raise NotATicket(
                    "It is not your ticket for this coupon. Arrive without one: you get a new one."
                )
        return Arrival(wanted.coupon_id, wanted.user_id, wanted.groups, number, wanted.only_asks)

    def _positions(
        self, coupon_id: int, arrivals: dict[int, Arrival]
    ) -> dict[int, Waiting | Outside | GateState]:
        """Where each is, after the ledger has given numbers and the lot if they are needed."""
        found: dict[int, Waiting | Outside | GateState] = {}
        missing = dict(arrivals)
        for _ in range(MOST_ATTEMPTS):
            if not missing:
                return found
            positions = arrive(self._gate, list(missing.values()), token_hex(8))
            needed = self._settle(dict(zip(missing, positions, strict=True)), found)
            missing = {index: each for index, each in missing.items() if index not in found}
            if needed is not None:
                self._provide(coupon_id, needed, len(missing))
        raise RedisUnavailable(f"the numbers of the waiting room of {coupon_id} are used up")

    def _settle(
        self, positions: dict[int, Position], found: dict[int, Waiting | Outside | GateState]
    ) -> NeedsNumbers | NeedsLot | None:
        """Put what is decided into `found`; what the others need."""
        needed = None
        for index, position in positions.items():
            if isinstance(position, NeedsNumbers | NeedsLot):
                needed = position
            else:
                found[index] = position
        return needed

    def _provide(self, coupon_id: int, needed: NeedsNumbers | NeedsLot, people: int) -> None:
        if isinstance(needed, NeedsLot):
            self._provide_lot(coupon_id, needed)
            return
        rate = needed.room.admits_per_second
        count = max(rate * SECONDS_PER_BLOCK, FEWEST_PER_BLOCK, people)
        with self._ledger.connection() as connection:
            block = reserve_numbers(connection, coupon_id, needed.holder, needed.after, count)
        if block is not None:
            give_block(self._gate, coupon_id, needed, block)

    def _provide_lot(self, coupon_id: int, needed: NeedsLot) -> None:
        """Where none is drawn the coupon was changed: the gate gets it, and is asked again."""
        with self._ledger.connection() as connection:
            lot = draw_lot(connection, coupon_id, *needed)
            coupon = find_coupon(connection, coupon_id) if lot is None else None
        if lot is not None:
            give_lot(self._gate, coupon_id, lot)
        elif coupon is not None:
            self._gate.define(coupon)

    def _with_ticket(
        self, wanted: WantedPosition, position: Waiting | Outside | GateState
    ) -> ArrivalResult:
        if not isinstance(position, Waiting):
            return position
        key = self._ledger.ticket_key(wanted.coupon_id, has_room=True)
        if key is None:
            return Outside.NO_ROOM
        ticket = make_ticket(key, wanted.coupon_id, wanted.user_id, position.number)
        return Arrived(position, ticket)
