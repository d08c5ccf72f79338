"""The waiting room of a coupon at the gate: who arrives gets a number, and the number gets a turn.

Nobody lets anybody in: position p may claim from the opening + p / rate on. By arrival the position
is the number; by lot it is a permutation of the numbers by a key that is made when the lot is
drawn.
Numbers come in blocks that the ledger reserved: when Redis has lost what it gave last, the next
block begins behind every number that was ever given, and tickets bring the others back.
"""

from collections.abc import Sequence
from enum import StrEnum
from secrets import token_hex
from typing import NamedTuple

from coupons.errors import KeysUnreadable
from coupons.gate.gate import Gate
from coupons.gate.refusals import translated
from coupons.gate.scripts import Call, is_of_the_key, run_scripts
from coupons.gate.values import coupon_key, read_unavailable
from coupons.ledger.waiting_rooms import Block, Lot
from coupons.model import GateState
from coupons.rooms import WaitingRoom, read_room

LOT_SECONDS = 120
"""The lot is drawn so long before the opening: meanwhile everybody learns their position."""
ROOM_SHARDS = 10_000
"""As in room.lua: 100 users in each of a million, so that they stay compact lists."""


class Arrival(NamedTuple):
    """A user arrives, or asks where they are.

    number: of their ticket. only_asks: they get no number if they have none.
    """

    coupon_id: int
    user_id: int
    groups: tuple[str, ...] = ()
    number: int | None = None
    only_asks: bool = False


class Outside(StrEnum):
    """Why a user has no number. All but the last two concern every user of the coupon."""

    NO_ROOM = "no_room"
    CLOSED = "closed"
    SOLD_OUT = "sold_out"
    NOT_ELIGIBLE = "not_eligible"
    NOT_ARRIVED = "-"


class Waiting(NamedTuple):
    """A user in the room. position: None: the lot is not drawn. arrived: numbers given so far."""

    number: int
    position: int | None
    now_us: int
    opens_at_us: int
    room: WaitingRoom
    arrived: int

    @property
    def turn_at_us(self) -> int | None:
        """From when they may claim, in microseconds since 1970."""
        if self.position is None:
            return None
        return self.opens_at_us + -(-self.position * 1_000_000 // self.room.admits_per_second)

    @property
    def is_turn(self) -> bool:
        """Whether they may claim now."""
        return self.turn_at_us is not None and self.turn_at_us <= self.now_us

    @property
    def people_before(self) -> int | None:
        """How many have their turn before, and it has not come."""
        if self.position is None:
            return None
        since_us = self.now_us - self.opens_at_us
        had_turn = since_us * self.room.admits_per_second // 1_000_000 + 1 if since_us >= 0 else 0
        return max(0, self.position - had_turn)


class NeedsNumbers(NamedTuple):
    """The block of the gate is used up: see `reserve_numbers`. room: for the size of a block."""

    holder: str
    after: int
    room: WaitingRoom


class NeedsLot(NamedTuple):
    """The lot has to be drawn among so many numbers; None: not known. Nothing was done before.

    version: of the coupon at the gate. With a newer one the opening may be at another time.
    """

    arrived: int | None
    version: int


Position = Waiting | Outside | GateState | NeedsNumbers | NeedsLot


def arrive(gate: Gate, arrivals: Sequence[Arrival], new_block: str) -> list[Position]:
    """Take arrivals of one coupon, in this order. Harmless to repeat.

    new_block: a text that was never used; it names the next block if the gate has lost its block.
    Raises RedisUnavailable.
    """
    people = " ".join(map(_person, arrivals))
    coupon_id = arrivals[0].coupon_id
    call = Call("arrive", coupon_key(coupon_id), [people, new_block, LOT_SECONDS * 1_000_000])
    [text] = gate.try_calls([coupon_id], [call])
    for_all = _read_for_all(text)
    if for_all is not None:
        return [for_all] * len(arrivals)
    now, starts, rate, order, next_, block, end, *answers = text.split(" ")
    room = read_room(f"{rate} {order}")
    assert room is not None
    return [
        _read(number, position, NeedsNumbers(block, int(end), room))
        or Waiting(
            int(number),
            None if position == "-" else int(position),
            int(now),
            int(starts),
            room,
            int(next_),
        )
        for number, position in zip(answers[::2], answers[1::2], strict=True)
    ]


def has_turn(gate: Gate, coupon_id: int, user_id: int) -> bool:
    """Whether a claim of this user would not be too early. Raises RedisUnavailable."""
    [found] = arrive(gate, [Arrival(coupon_id, user_id, only_asks=True)], token_hex(8))
    return isinstance(found, Waiting) and found.is_turn


def give_block(gate: Gate, coupon_id: int, needed: NeedsNumbers, block: Block) -> None:
    """Let the gate give these numbers, if it still needs them. Raises RedisUnavailable."""
    call = Call("fill_room", coupon_key(coupon_id), ["block", *needed[:2], *block])
    run_scripts(gate.client, [call])


def give_lot(gate: Gate, coupon_id: int, lot: Lot) -> None:
    """Let the gate decide positions by this lot. Raises RedisUnavailable."""
    run_scripts(gate.client, [Call("fill_room", coupon_key(coupon_id), ["lot", *lot])])


def forget_arrivals(gate: Gate, coupon_ids: Sequence[int], user_id: int) -> None:
    """Remove a user from the rooms of these coupons. Raises RedisUnavailable."""
    shard = user_id % 1_000_000_000 % ROOM_SHARDS
    pipeline = gate.client.pipeline(transaction=False)
    for coupon_id in coupon_ids:
        pipeline.hdel(f"{coupon_key(coupon_id)}:room:{shard}", str(user_id))
    with translated():
        for answer in pipeline.execute(raise_on_error=False):
            # A key of another type holds no user; who arrives next removes it.
            if isinstance(answer, Exception) and not is_of_the_key(answer):
                raise answer


def _person(arrival: Arrival) -> str:
    given = "+" if arrival.number is None else str(arrival.number)
    groups = ",".join(arrival.groups) or "."
    return f"{arrival.user_id} {groups} {'?' if arrival.only_asks else given}"


def _read_for_all(text: str | KeysUnreadable) -> Position | None:
    """What concerns all arrivals of a call; None: each has an answer."""
    state = read_unavailable(text)
    if state is not None:
        return state
    if text in (Outside.NO_ROOM, Outside.CLOSED, Outside.SOLD_OUT):
        return Outside(str(text))
    head, *values = str(text).split(" ")
    if head == "draw":
        arrived, version = values
        return NeedsLot(None if arrived == "-" else int(arrived), int(version))
    return None


def _read(number: str, position: str, needed: NeedsNumbers) -> Position | None:
    """Why there is no number; None: there is one."""
    if number != "-":
        return None
    return needed if position == "full" else Outside(position)
