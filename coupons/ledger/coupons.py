"""Coupons in the ledger: create, read, change, fence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, NotRequired, TypedDict, Unpack

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from coupons.errors import CouponUnreadable
from coupons.ledger.connection import Connection, translated
from coupons.model import Coupon, CouponState, StandbyList, Terms
from coupons.queries import query
from coupons.rooms import read_room

_ATTEMPTS_AT_A_FREE_ID = 100
_LONGEST_LEAP = 65_536


class CouponChanges(TypedDict, total=False):
    """What to change, by column; None removes an optional one, and a start in the future."""

    name: str
    total_quantity: int
    issue_starts_at: datetime | None
    issue_ends_at: datetime | None
    eligible_group: str | None
    valid_for_days: int | None
    valid_until: datetime | None
    discount: Mapping[str, Any] | None
    metadata: Mapping[str, str] | None
    state: CouponState


class NewCoupon(TypedDict):
    """A coupon to create, by column. coupon_id: None for the next free one of the sequence."""

    coupon_id: int | None
    name: str
    total_quantity: int
    issue_starts_at: datetime | None
    issue_ends_at: datetime | None
    eligible_group: str | None
    valid_for_days: NotRequired[int | None]
    valid_until: NotRequired[datetime | None]
    discount: NotRequired[Mapping[str, Any] | None]
    metadata: NotRequired[Mapping[str, str] | None]
    state: NotRequired[str | None]
    """draft; open or None: open."""


def create_coupon(
    connection: Connection, *, acted_by: str | None = None, **definition: Unpack[NewCoupon]
) -> Coupon | None:
    """Create a coupon. None when the id is already used. acted_by: for the audit; None: the role.

    Without an id it gets the next free id of the sequence. The sequence skips ids that were chosen
    before, up to about five million in a row; with more, the result is None.
    """
    with translated(connection), connection.transaction():
        return insert_coupon(connection, definition, acted_by)


def insert_coupon(
    connection: Connection, definition: NewCoupon, acted_by: str | None
) -> Coupon | None:
    """The same within a transaction of the caller. Raises psycopg's errors."""
    values = {**dict.fromkeys(NewCoupon.__annotations__), **_with_json(definition)}
    attempts = 1 if definition["coupon_id"] is not None else _ATTEMPTS_AT_A_FREE_ID
    for attempt in range(attempts):
        steps = min(2**attempt, _LONGEST_LEAP)
        created = _row(connection, "create_coupon", {**values, "steps": steps}, acted_by)
        if created is not None:
            return created
    return None


def find_coupon(connection: Connection, coupon_id: int) -> Coupon | None:
    """The coupon, or None. Raises CouponUnreadable."""
    try:
        return one_coupon(connection, "find_coupon", {"coupon_id": coupon_id})
    except (psycopg.DataError, ValueError) as error:
        raise CouponUnreadable(f"coupon {coupon_id} cannot be read: {error}") from error


def list_coupons(connection: Connection) -> list[Coupon]:
    """Every coupon that can be read, but archived ones, in order of id."""
    return list_readable(connection)[0]


def list_readable(connection: Connection) -> tuple[list[Coupon], dict[int, CouponUnreadable]]:
    """The same, and why the others cannot be read. Archived coupons cost nothing."""
    try:
        with translated(connection), connection.cursor(row_factory=dict_row) as cursor:
            return [coupon_of_row(row) for row in cursor.execute(query("list_coupons"))], {}
    except (psycopg.DataError, ValueError):
        return _one_by_one(connection)


def list_live(connection: Connection, also: Iterable[int], most: int) -> tuple[list[Coupon], int]:
    """The coupons that users may claim, and how many there are in all.

    Those in `also` are read first, whatever their state but archived, then those that started last;
    at most `most` together. Raises LedgerUnavailable.
    """
    values = {"also": list(also), "most": most}
    with translated(connection), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query("list_live_coupons"), values).fetchall()
    return [coupon_of_row(row) for row in rows], rows[0]["live"] if rows else 0


def list_coupon_ids(connection: Connection) -> list[int]:
    """Of every coupon, of archived ones too, in order."""
    with translated(connection):
        return [row[0] for row in connection.execute(query("list_coupon_ids"))]


def _one_by_one(
    connection: Connection,
) -> tuple[list[Coupon], dict[int, CouponUnreadable]]:
    """One unreadable row makes the query fail, so each row is read by itself."""
    with translated(connection):
        ids = [row[0] for row in connection.execute(query("list_listed_ids"))]
    readable, unreadable = [], {}
    for coupon_id in ids:
        try:
            coupon = find_coupon(connection, coupon_id)
        except CouponUnreadable as error:
            unreadable[coupon_id] = error
            continue
        readable += [coupon] if coupon is not None else []
    return readable, unreadable


def change_coupon(
    connection: Connection,
    coupon_id: int,
    acted_by: str | None = None,
    seen_versions: Sequence[int] | None = None,
    **changes: Unpack[CouponChanges],
) -> Coupon | None:
    """Change the given columns. None when there is no such coupon, or it is closed.

    A draft stays one: None when its state is among the changes. See `open_draft`.

    acted_by: who does it, for the audit trail; None: the role. seen_versions: None is returned too
    when it has none of these; None: whichever it has.

    Raises psycopg.errors.CheckViolation when the total would be less than what is issued or in
    flight, the window would end before it starts, somebody's coupon would be valid for a shorter
    time, or a term is too large.
    """
    values: dict[str, Any] = dict.fromkeys(CouponChanges.__annotations__)
    values |= _with_json(changes)
    values |= {"coupon_id": coupon_id, "given": list(changes), "seen_versions": seen_versions}
    return one_coupon(connection, "change_coupon", values, acted_by)


def operate_coupon(
    connection: Connection,
    coupon_id: int,
    seen_version: int,
    acted_by: str,
    *,
    state: CouponState | None = None,
    total_quantity: int | None = None,
) -> Coupon | None:
    """Change state or stock as an operator, who has no other right to change a coupon.

    None when there is no such coupon, it is closed or a draft, or no longer has the version that
    they saw.
    Raises psycopg.errors.CheckViolation when the total would be less than what is issued.
    """
    values = {
        "coupon_id": coupon_id,
        "seen_version": seen_version,
        "state": state,
        "total_quantity": total_quantity,
        "acted_by": acted_by,
    }
    return one_coupon(connection, "operate_coupon", values)


def begin_gate_epoch(
    connection: Connection, coupon_id: int, above: int = 0, as_operator: bool = False
) -> Coupon | None:
    """Fence all claims admitted so far; return the coupon with its new gate_epoch.

    above: an epoch that the gate has, in case the ledger was restored from an older backup.
    as_operator: with the rights of coupon_ops; otherwise with those of coupon_reconciler.
    """
    name = "operate_gate_epoch" if as_operator else "begin_gate_epoch"
    return one_coupon(connection, name, {"coupon_id": coupon_id, "above": above})


def _with_json(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The values as parameters: JSON objects are wrapped."""
    return {
        name: Jsonb(value) if isinstance(value, Mapping) else value
        for name, value in definition.items()
    }


def one_coupon(
    connection: Connection, name: str, values: dict[str, Any], acted_by: str | None = None
) -> Coupon | None:
    """The coupon that a named statement returns, or None. acted_by: as in `change_coupon`."""
    # In a transaction, so that a row that cannot be read back is not changed.
    with translated(connection), connection.transaction():
        return _row(connection, name, values, acted_by)


def _row(
    connection: Connection, name: str, values: dict[str, Any], acted_by: str | None
) -> Coupon | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        if acted_by is not None:
            cursor.execute(query("name_actor"), {"acted_by": acted_by})
        row = cursor.execute(query(name), values).fetchone()
    return None if row is None else coupon_of_row(row)


def coupon_of_row(row: dict[str, Any]) -> Coupon:
    """The coupon of a row by name of column; with its terms, if the row has them."""
    # A row of list_live_coupons also holds how many there are.
    known = {each.name: row[each.name] for each in fields(Coupon) if each.name in row}
    has_terms = Terms._fields[0] in row
    terms = Terms(*(row[name] for name in Terms._fields)) if has_terms else None
    standby = StandbyList(row["standby"]) if row.get("standby") else None
    read = {"state": CouponState(row["state"]), "terms": terms, "standby": standby}
    return Coupon(**{**known, **read, "room": read_room(row.get("room"))})
