"""What ledger and gate hold of waiting rooms and of lists of users."""

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass

from chaos.history import History
from coupons.gate import Gate
from coupons.gate.audiences import is_spoilt
from coupons.ledger.audiences import EVERYBODY, is_listed, list_audiences
from coupons.ledger.connection import connect_ledger

NAME = "chaos"


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


def read_reserved(database_url: str, history: History) -> Mapping[int, int]:
    """By coupon with a room, the number that the ledger reserves next."""
    with closing(connect_ledger(database_url, NAME)) as ledger:
        return dict(
            ledger.execute(
                "SELECT coupon_id, next_number FROM waiting_room WHERE coupon_id = ANY (%s)",
                [[room.coupon_id for room in history.rooms]],
            ).fetchall()
        )


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
