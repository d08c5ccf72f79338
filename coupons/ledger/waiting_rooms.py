"""Waiting rooms in the ledger: what must not be lost with Redis."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from coupons.ledger.connection import Connection, int_array, translated
from coupons.queries import query
from coupons.rooms import WaitingRoom


class RoomOutcome(StrEnum):
    """What came of setting a room."""

    DONE = "done"
    NOT_FOUND = "not_found"
    CHANGED = "changed"
    """The coupon has another version."""
    CLOSED = "closed"
    ARCHIVED = "archived"
    FIXED = "fixed"
    """Somebody's turn would come later, or in another order."""


class Block(NamedTuple):
    """Numbers from `start` to before `end`."""

    start: int
    end: int


class Lot(NamedTuple):
    """Numbers below `size` take part; `key` decides their order."""

    size: int
    key: str


def set_waiting_room(
    connection: Connection,
    coupon_id: int,
    room: WaitingRoom | None,
    acted_by: str,
    seen_versions: Sequence[int] | None = None,
) -> RoomOutcome:
    """Set a coupon's room, or take it away. Raises LedgerUnavailable."""
    values = {
        "coupon_id": coupon_id,
        "room": None if room is None else str(room),
        "seen_versions": seen_versions,
        "acted_by": acted_by,
    }
    row = _row(connection, "set_waiting_room", values)
    assert row is not None
    return RoomOutcome(row[0])


def find_ticket_keys(connection: Connection, coupon_ids: Iterable[int]) -> dict[int, str]:
    """What the rooms' tickets are signed with, by coupon; none: the coupon never had a room."""
    values = {"coupon_ids": int_array(coupon_ids)}
    with translated(connection):
        return dict(connection.execute(query("find_ticket_keys"), values).fetchall())


def reserve_numbers(
    connection: Connection, coupon_id: int, holder: str, after: int, count: int
) -> Block | None:
    """A block behind every number that was ever reserved; None: the coupon never had a room.

    holder, after: the gate's block that is used up, and its end (0: it was empty). Who asks with
    the same two gets the same block.
    """
    values = {"coupon_id": coupon_id, "holder": holder, "after": after, "count": count}
    row = _row(connection, "reserve_numbers", values)
    return None if row is None else Block(*row)


def draw_lot(
    connection: Connection, coupon_id: int, arrived: int | None, version: int
) -> Lot | None:
    """The lot, drawn now or before; None: the coupon never had a room, or has a newer version.

    arrived: how many numbers were given; None: not known, so every number that was reserved takes
    part. version: of the coupon, when they were counted.
    """
    values = {"coupon_id": coupon_id, "arrived": arrived, "version": version}
    row = _row(connection, "draw_lot", values)
    return None if row is None else Lot(*row)


def read_lot(connection: Connection, coupon_id: int) -> Lot | None:
    """The lot, if it is drawn."""
    row = _row(connection, "read_lot", {"coupon_id": coupon_id})
    return None if row is None or row[0] is None else Lot(*row)


def _row(connection: Connection, name: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
    with translated(connection):
        row: tuple[Any, ...] | None = connection.execute(query(name), values).fetchone()
    return row
