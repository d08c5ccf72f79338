"""What ledger and gate hold of waiting rooms and of lists of users."""

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha1
from math import isqrt

from chaos.history import History
from coupons.gate import Gate
from coupons.gate.audiences import is_spoilt
from coupons.ledger.audiences import EVERYBODY, is_listed, list_audiences
from coupons.ledger.connection import connect_ledger

NAME = "chaos"


@dataclass(frozen=True)
class RoomNow:
    """A waiting room in the ledger. next_number: is reserved next. lot_size: None: not drawn."""

    next_number: int
    lot_size: int | None = None
    lot_key: str = ""

    def position(self, number: int) -> int | None:
        """What the lot makes of a number, as everybody can compute it; None: it is not drawn."""
        if self.lot_size is None or number >= self.lot_size:
            return None if self.lot_size is None else number
        side = isqrt(self.lot_size - 1) + 1
        while True:
            left, right = divmod(number, side)
            for turn in range(1, 9):
                digest = sha1(f"{self.lot_key} {turn} {right}".encode()).hexdigest()
                left, right = right, (left + int(digest[:12], 16)) % side
            number = left * side + right
            if number < self.lot_size:
                return number


@dataclass(frozen=True)
class ListNow:
    """The list of a coupon. in_ledger, at_gate: its form; at_gate None: the gate has no coupon.

    is_spoilt: the gate has other users under it. users: of the ledger's; None: everybody.
    """

    in_ledger: str
    at_gate: str | None
    is_spoilt: bool
    users: frozenset[int] | None


def read_lists(gate: Gate, database_url: str, history: History) -> Mapping[int, ListNow]:
    """The lists of the coupons that had one; `users` are those among all who were ever listed."""
    known: dict[int, set[int]] = {}
    for each in history.lists:
        known.setdefault(each.coupon_id, set()).update(each.users or ())
    return {
        coupon_id: _read_list(gate, database_url, coupon_id, users)
        for coupon_id, users in known.items()
    }


def read_rooms(database_url: str, history: History) -> Mapping[int, RoomNow]:
    """The waiting rooms, by coupon."""
    with closing(connect_ledger(database_url, NAME)) as ledger:
        rows = ledger.execute(
            "SELECT coupon_id, next_number, lot_size, coalesce(lot_key, '') FROM waiting_room"
            " WHERE coupon_id = ANY (%s)",
            [[room.coupon_id for room in history.rooms]],
        )
        return {row[0]: RoomNow(*row[1:]) for row in rows}


def _read_list(gate: Gate, url: str, coupon_id: int, known: Collection[int]) -> ListNow:
    [figures] = gate.figures([coupon_id])
    with closing(connect_ledger(url, NAME)) as ledger:
        form = list_audiences(ledger, [coupon_id]).get(coupon_id, EVERYBODY)
        users = None
        if form != EVERYBODY:
            users = frozenset(user for user in known if is_listed(ledger, coupon_id, user))
        return ListNow(
            form,
            None if figures is None else figures.audience,
            is_spoilt(gate, ledger, coupon_id, form),
            users,
        )
