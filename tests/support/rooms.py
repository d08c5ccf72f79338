"""A coupon with a waiting room in a real ledger and at a real gate, which may lose what it has."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from math import isqrt

import pytest
from redis.exceptions import ResponseError

from api.arrivals import Arrivals, Arrived, WantedPosition
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.gate.removal import remove_all_coupons
from coupons.gate.waiting_room import Waiting
from coupons.ledger.connection import LedgerPool, ledger_pool, pooled
from coupons.ledger.coupons import change_coupon, create_coupon, find_coupon
from coupons.ledger.waiting_rooms import RoomOutcome, set_waiting_room
from coupons.model import Coupon
from coupons.rooms import RoomOrder, WaitingRoom
from tests.support.databases import Database

HOUR = timedelta(hours=1)
TERMS = {
    "coupon_id": None,
    "name": "of a test",
    "total_quantity": 1_000,
    "issue_ends_at": None,
    "eligible_group": None,
}


class Hall:
    """The room of one coupon, with the tickets of those who have arrived."""

    def __init__(self, gate: Gate, pool: LedgerPool, coupon: Coupon) -> None:
        self.gate = gate
        self.pool = pool
        self.coupon = coupon
        self.tickets: dict[int, str] = {}
        self.arrivals = Arrivals(gate, pool)

    @property
    def coupon_id(self) -> int:
        return self.coupon.coupon_id

    def arrive(self, *users: int, **more: bool) -> list[Waiting]:
        """They arrive together, with the tickets that they have."""
        wanted = [
            WantedPosition(self.coupon_id, user, (), self.tickets.get(user), **more)
            for user in users
        ]
        found = []
        for user, result in zip(users, self.arrivals.take(wanted), strict=True):
            assert isinstance(result, Arrived), result
            self.tickets[user] = result.ticket
            found.append(result.waiting)
        return found

    def positions(self, user: int, **more: object) -> list[object]:
        """What comes of one arrival without a ticket."""
        wanted = WantedPosition(self.coupon_id, user, **more)  # type: ignore[arg-type]
        return list(self.arrivals.take([wanted]))

    def numbers(self, *users: int) -> list[int]:
        return [waiting.number for waiting in self.arrive(*users)]

    def lose_redis(self) -> None:
        """Everything is gone, and the coupon is rebuilt."""
        remove_all_coupons(self.gate)
        self.open(gate_epoch=self.coupon.gate_epoch + 1)

    def fail_over(self) -> Callable[[], None]:
        """Remembers the keys of the room; the result brings them back, as on another server."""
        client = self.gate.client
        keys = list(client.scan_iter("coupon:{*}:room*"))
        kept = {key: client.dump(key) or b"" for key in keys}

        def back() -> None:
            for key in list(client.scan_iter("coupon:{*}:room*")):
                client.delete(key)
            for key, dumped in kept.items():
                client.restore(key, 0, dumped)
            if kept:
                with suppress(ResponseError):  # it had a key of another type
                    client.hset(f"coupon:{{{self.coupon_id}}}:room", "under", "another server")

        return back

    def open(self, **changes: object) -> None:
        """The coupon with these changes, at the gate alone."""
        self.coupon = replace(self.coupon, **changes)  # type: ignore[arg-type]
        assert open_coupon(self.gate, self.coupon)

    def define(self, **changes: object) -> None:
        """Change the coupon at the gate, as an administrator does."""
        self.coupon = replace(self.coupon, version=self.coupon.version + 1, **changes)  # type: ignore[arg-type]
        assert self.gate.define(self.coupon)

    def move(self, opens_at: datetime, *, told: bool) -> None:
        """Move the opening in the ledger. told: the gate is, too."""
        with pooled(self.pool) as api:
            changed = change_coupon(api, self.coupon_id, issue_starts_at=opens_at)
        assert changed is not None
        self.coupon = changed
        if told:
            assert self.gate.define(changed)


OpenHall = Callable[..., Hall]


@pytest.fixture
def open_hall(valkey_url: str, database: Database) -> Iterator[OpenHall]:
    """A coupon that opens in an hour, with a room: open_hall(rate, order)."""
    gate = connect_gate(valkey_url)
    with closing(ledger_pool(database.url("coupon_api"), "test", 2)) as pool:

        def make(rate: int = 1, order: RoomOrder = RoomOrder.ARRIVAL, **more: object) -> Hall:
            room, terms = WaitingRoom(rate, order), {**TERMS, **more}
            opens_at = datetime.now(UTC) + HOUR
            with pooled(pool) as api:
                coupon = create_coupon(api, issue_starts_at=opens_at, **terms)  # type: ignore[arg-type]
                assert coupon is not None
                done = set_waiting_room(api, coupon.coupon_id, room, "a test")
                assert done is RoomOutcome.DONE
                coupon = find_coupon(api, coupon.coupon_id)
            assert coupon is not None
            hall = Hall(gate, pool, coupon)
            hall.open()
            return hall

        yield make


def lot_position(key: str, size: int, number: int) -> int:
    """What coupons/gate/lua/room.lua computes: anybody can check the lot with this."""
    side = isqrt(size - 1) + 1
    while True:
        left, right = divmod(number, side)
        for turn in range(1, 9):
            digest = sha1(f"{key} {turn} {right}".encode(), usedforsecurity=False).hexdigest()
            left, right = right, (left + int(digest[:12], 16)) % side
        number = left * side + right
        if number < size:
            return number
