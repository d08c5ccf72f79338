"""Purges a rehearsal: in the ledger first, then at the gate, and looks again at what is left.

Cut off in between, the ledger has nothing of it any more, so that nothing loads its keys again:
repeating it, or the reconciler (forgetting.py), removes them.
"""

from datetime import timedelta
from typing import NamedTuple

from coupons.errors import CouponUnreadable, NotThere
from coupons.gate.changes import define_at_gate, operate_in_ledger
from coupons.gate.figures import unavailable_reason
from coupons.gate.gate import Gate
from coupons.gate.removal import count_keys, remove_coupons
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import find_coupon
from coupons.ledger.rebuild_lock import alone_with
from coupons.ledger.rehearsals import (
    PurgeRefused,
    Rehearsal,
    count_rows,
    find_rehearsal,
    purge_in_ledger,
)
from coupons.model import Coupon, CouponState


class Remains(NamedTuple):
    """What there is of a coupon. rows: by table; every table that names coupons. keys: in Redis."""

    rows: dict[str, int]
    keys: int

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is left."""
        return not self.keys and not any(self.rows.values())


class Purge(NamedTuple):
    """The proof. before, after: looked up before the purge, and again when it had ended."""

    rehearsal: Rehearsal
    before: Remains
    after: Remains


def look_up(gate: Gate, connection: Connection, coupon_id: int) -> Remains:
    """What there is of a rehearsal; reads all its tables and the name of every key.

    Raises NotThere when it is none, RedisUnavailable or LedgerUnavailable.
    """
    if find_rehearsal(connection, coupon_id) is None:
        raise NotThere(f"coupon {coupon_id} is no rehearsal: only a rehearsal can be purged")
    return Remains(count_rows(connection, coupon_id), count_keys(gate, coupon_id))


def purge(
    gate: Gate,
    connection: Connection,
    coupon_id: int,
    acted_by: str,
    log_keeps: timedelta | None,
) -> Purge:
    """Close the rehearsal, delete everything of it, and look again; repeating it is harmless.

    log_keeps: how long Kafka keeps a record; None: for good. Raises NotThere, PurgeRefused,
    RedisUnavailable or LedgerUnavailable.
    """
    before = look_up(gate, connection, coupon_id)
    coupon = close_rehearsal(gate, connection, coupon_id, acted_by)
    if coupon is not None:  # else the ledger decides
        _refuse_in_flight(gate, coupon)
    rehearsal = purge_in_ledger(connection, coupon_id, acted_by, log_keeps)
    with alone_with(connection, coupon_id) as alone:
        if not alone:
            raise PurgeRefused(
                f"Redis is still loading rehearsal {coupon_id}, which the ledger has purged."
                " Repeat it in a few seconds."
            )
        remove_coupons(gate, {coupon_id})
    return Purge(rehearsal, before, look_up(gate, connection, coupon_id))


def close_rehearsal(
    gate: Gate, connection: Connection, coupon_id: int, acted_by: str
) -> Coupon | None:
    """Nobody claims it any more; the coupon as it is then. None: its row is gone, or unreadable.

    Raises RedisUnavailable or LedgerUnavailable. Repeating it is harmless.
    """
    try:
        coupon = find_coupon(connection, coupon_id)
    except CouponUnreadable:
        return None
    if coupon is None:
        return None
    if coupon.state is not CouponState.CLOSED and coupon.belongs_at_gate:
        changes = {"state": CouponState.CLOSED}
        coupon = operate_in_ledger(connection, coupon_id, coupon.version, changes, acted_by)
    if coupon.belongs_at_gate:
        define_at_gate(gate, coupon, {"coupon_id": coupon_id})
    return coupon


def _refuse_in_flight(gate: Gate, coupon: Coupon) -> None:
    """Raises PurgeRefused while the gate has a claim that is not final."""
    [figures] = gate.figures([coupon.coupon_id])
    if figures and figures.pending and unavailable_reason(figures, coupon) is None:
        raise PurgeRefused(
            f"{figures.pending:,} claims of rehearsal {coupon.coupon_id} are admitted and not"
            " final: nothing was purged. Try again in a few seconds; `coupon doctor` says what they"
            " wait for."
        )
