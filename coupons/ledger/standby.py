"""The standby list of a coupon in the ledger: who waits, and in which order."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from coupons.ledger.connection import Connection, int_array, translated
from coupons.queries import query

MOST_COUNTED = 10_000
"""More users ahead than these are not counted: that would cost too much."""


class EntryState(StrEnum):
    """What became of somebody who waited."""

    WAITING = "waiting"
    PROMOTED = "promoted"
    """The user has a request."""
    LEFT = "left"
    NOT_ELIGIBLE = "not_eligible"
    """The coupon is for another group now."""
    ENDED = "ended"
    """The coupon was closed, its time is over, or it has no standby list any more."""


class Joining(StrEnum):
    """What came of joining, or why it was not possible."""

    JOINED = "joined"
    FIRST = "first"
    """Joined, and a line has begun, which the gate has to know."""
    WAITING = "waiting"
    REQUESTED = "requested"
    NO_COUPON = "no_coupon"
    NO_LIST = "no_list"
    NOT_OPEN = "not_open"
    PAUSED = "paused"
    CLOSED = "closed"
    NOT_ELIGIBLE = "not_eligible"
    NOT_SOLD_OUT = "not_sold_out"


class StandbyEntry(NamedTuple):
    """users_ahead: how many are promoted before; None: not waiting, or more than MOST_COUNTED."""

    state: EntryState
    joined_at: datetime
    ended_at: datetime | None
    users_ahead: int | None


class StandbyCounts(NamedTuple):
    """is_on: whether the coupon has a standby list."""

    is_on: bool
    waiting: int
    promoted: int


class Line(NamedTuple):
    """A coupon in whose line somebody waits. total: its stock."""

    coupon_id: int
    total: int


class HeldLine(NamedTuple):
    """A line that nobody else promotes from until the transaction ends."""

    total: int
    eligible_group: str | None


def set_standby_list(connection: Connection, coupon_id: int, *, is_on: bool, acted_by: str) -> bool:
    """Switch a coupon's standby list on or off. False: it is closed, a draft, or not there."""
    values = {"coupon_id": coupon_id, "is_on": is_on, "acted_by": acted_by}
    return bool(_one(connection, "set_standby_list", values))


def join_standby(
    connection: Connection,
    user_id: int,
    coupon_id: int,
    groups: Sequence[str],
    *,
    is_sold_out: bool,
) -> Joining:
    """Put the user at the end of the line. is_sold_out: whether the gate has nothing left."""
    values = {
        "user_id": user_id,
        "coupon_id": coupon_id,
        "groups": list(groups),
        "is_sold_out": is_sold_out,
    }
    return Joining(str(_one(connection, "join_standby", values)))


def find_standby_entry(connection: Connection, user_id: int, coupon_id: int) -> StandbyEntry | None:
    """The user's entry; None: they never waited."""
    values = {"user_id": user_id, "coupon_id": coupon_id, "most": MOST_COUNTED}
    with translated(connection):
        row = connection.execute(query("find_standby_entry"), values).fetchone()
    return None if row is None else StandbyEntry(EntryState(row[0]), *row[1:])


def count_standby(connection: Connection, coupon_id: int) -> StandbyCounts | None:
    """How many wait, and were promoted; None: there is no such coupon."""
    with translated(connection):
        row = connection.execute(query("count_standby"), {"coupon_id": coupon_id}).fetchone()
    return None if row is None else StandbyCounts(*row)


def hold_standby_entry(connection: Connection, user_id: int, coupon_id: int) -> EntryState | None:
    """The state of an entry that nobody changes until the transaction ends; None: there is none."""
    values = {"user_id": user_id, "coupon_id": coupon_id}
    with translated(connection):
        row = connection.execute(query("hold_standby_entry"), values).fetchone()
    return None if row is None else EntryState(row[0])


def list_lines(connection: Connection) -> list[Line]:
    """The coupons with a line, or with one that ends."""
    with translated(connection):
        return [Line(*row) for row in connection.execute(query("list_lines"))]


def find_first_in_line(connection: Connection, coupon_id: int) -> int | None:
    """The number of the first who waits; None: nobody does, or this role may not read who does."""
    if not _one(connection, "may_read_lines", {}):
        return None
    number = _one(connection, "find_first_in_line", {"coupon_id": coupon_id})
    return None if number is None else int(str(number))


def hold_line(connection: Connection, coupon_id: int) -> HeldLine | None:
    """Keep others from promoting until the transaction ends; None: somebody does, or none may."""
    with translated(connection):
        row = connection.execute(query("hold_line"), {"coupon_id": coupon_id}).fetchone()
    return HeldLine(*row[1:]) if row is not None and row[0] else None


def hold_first_in_line(
    connection: Connection, coupon_id: int, most: int
) -> list[tuple[int, str | None]]:
    """The first who wait, in their order, until the transaction ends: user, and group."""
    values = {"coupon_id": coupon_id, "most": most}
    with translated(connection):
        return [(row[0], row[1]) for row in connection.execute(query("hold_first_in_line"), values)]


def end_standby_entries(
    connection: Connection, coupon_id: int, user_ids: Sequence[int], state: EntryState
) -> None:
    """These users do not wait any more."""
    values = {"coupon_id": coupon_id, "user_ids": int_array(user_ids), "state": state}
    with translated(connection):
        connection.execute(query("end_standby_entries"), values)


def leave_every_line(connection: Connection, user_id: int) -> None:
    """The user waits nowhere any more."""
    with translated(connection):
        connection.execute(query("leave_every_line"), {"user_id": user_id})


def tidy_standby(connection: Connection, coupon_id: int, most: int) -> bool:
    """End entries that have no future, and a line that nobody is in; whether somebody still is."""
    return bool(_one(connection, "tidy_standby", {"coupon_id": coupon_id, "most": most}))


def _one(connection: Connection, name: str, values: dict[str, object]) -> object:
    with translated(connection):
        row = connection.execute(query(name), values).fetchone()
    assert row is not None
    value: object = row[0]
    return value
