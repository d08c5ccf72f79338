"""The waiting room of a coupon, as a term of it."""

from enum import StrEnum
from typing import NamedTuple


class RoomOrder(StrEnum):
    """By what the users of a waiting room get their turns."""

    ARRIVAL = "arrival"
    LOT = "lot"
    """Drawn shortly before the coupon opens; who arrives later stands behind, by arrival."""


class WaitingRoom(NamedTuple):
    """How many users may claim a second, from the opening on, and in which order.

    As text it is what ledger and gate have, such as `100 lot`.
    """

    admits_per_second: int
    order: RoomOrder

    def __str__(self) -> str:
        return f"{self.admits_per_second} {self.order}"


def read_room(text: str | None) -> WaitingRoom | None:
    """The room of such a text; None: there is none. Raises ValueError."""
    if not text:
        return None
    rate, order = text.split(" ")
    return WaitingRoom(int(rate), RoomOrder(order))
