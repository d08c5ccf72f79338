"""Rehearsals in the ledger: coupons with synthetic users, of which a purge leaves nothing."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from coupons.errors import CouponError, NotThere
from coupons.ledger.connection import Connection, int_array, translated
from coupons.ledger.coupons import one_coupon
from coupons.model import Coupon
from coupons.queries import query


class PurgeRefused(CouponError):
    """A rehearsal cannot be purged now: nothing was done."""


class Rehearsal(NamedTuple):
    """The mark of a rehearsal, and after its purge the proof.

    counts: rows that were deleted, by table. log_forgets_at: when Kafka has deleted its last record
    of the coupon; None: never, or it is not purged.
    """

    coupon_id: int
    begun_at: datetime
    purged_at: datetime | None
    counts: dict[str, int] | None
    log_forgets_at: datetime | None


_WHY = {
    "not_closed": "Rehearsal {} was opened again meanwhile: nothing was purged. Repeat it.",
    "in_flight": "Some requests of rehearsal {} are not final: nothing was purged. Try again when"
    " they are; `coupon verify` names them, and `coupon doctor` says what they wait for.",
    "rebuilding": "Rehearsal {} is being rebuilt at the gate: nothing was purged. Try again in a"
    " few seconds.",
}


def begin_rehearsal(
    connection: Connection, name: str, total_quantity: int, acted_by: str
) -> Coupon:
    """A new coupon that is marked as a rehearsal; as coupon_ops. The mark never changes."""
    values = {"name": name, "total_quantity": total_quantity, "acted_by": acted_by}
    coupon = one_coupon(connection, "begin_rehearsal", values)
    assert coupon is not None
    return coupon


def find_rehearsal(connection: Connection, coupon_id: int) -> Rehearsal | None:
    """The rehearsal of this coupon; None: it is none."""
    with translated(connection):
        row = connection.execute(query("find_rehearsal"), {"coupon_id": coupon_id}).fetchone()
    return None if row is None else Rehearsal(*row)


def list_rehearsals(connection: Connection) -> list[Rehearsal]:
    """All, purged ones too, the newest first."""
    with translated(connection):
        return [Rehearsal(*row) for row in connection.execute(query("list_rehearsals"))]


def count_rows(connection: Connection, coupon_id: int) -> dict[str, int]:
    """By table, its rows of this coupon; every table with a column coupon_id, but `rehearsal`."""
    with translated(connection):
        return dict(
            connection.execute(query("count_rows_of_coupon"), {"coupon_id": coupon_id}).fetchall()
        )


def purge_in_ledger(
    connection: Connection, coupon_id: int, acted_by: str, log_keeps: timedelta | None
) -> Rehearsal:
    """Delete all rows of a closed rehearsal and commit; the proof. Repeating it is harmless.

    Raises NotThere when it is no rehearsal, PurgeRefused, LedgerUnavailable or OutcomeUnknown.
    """
    values = {"coupon_id": coupon_id, "acted_by": acted_by, "log_keeps": log_keeps}
    with translated(connection):
        row = connection.execute(query("purge_rehearsal"), values).fetchone()
    assert row is not None
    if row[0] in _WHY:
        raise PurgeRefused(_WHY[row[0]].format(coupon_id))
    found = find_rehearsal(connection, coupon_id)
    if found is None:
        raise NotThere(f"coupon {coupon_id} is no rehearsal: only a rehearsal can be purged")
    return found


def find_purged(connection: Connection, coupon_ids: Collection[int]) -> set[int]:
    """The coupons among these that were rehearsals and are purged. Raises LedgerUnavailable."""
    if not coupon_ids:
        return set()
    with translated(connection):
        there = connection.execute(query("has_rehearsals")).fetchone()
        if there is None or not there[0]:
            return set()
        rows = connection.execute(query("find_purged"), {"coupon_ids": int_array(coupon_ids)})
        return {row[0] for row in rows}
