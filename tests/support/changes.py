"""One change of an issued coupon in the ledger, as a batch of its own."""

from coupons.ledger.connection import Connection
from coupons.ledger.owned_coupons import (
    Changed,
    Unchanged,
    WantedChange,
    change_owned_coupons,
    find_owned_coupon,
)
from coupons.model import ChangeOutcome, IssuedChange

_WAIT = "SELECT change_issued_coupon(%s, %s, %s, %s, %s, %s)"


def change_owned_coupon(
    connection: Connection,
    user_id: int,
    coupon_id: int,
    change: IssuedChange,
    changed_by: str,
    *,
    order_reference: str | None = None,
    reason: str | None = None,
) -> Changed | None:
    """What came of it; None: it is not issued. The arguments are those of WantedChange.

    For a coupon that another session has locked, it waits.
    """
    wanted = WantedChange(user_id, coupon_id, change, changed_by, order_reference, reason)
    [result] = change_owned_coupons(connection, [wanted])
    if isinstance(result, Changed):
        return result
    if result is Unchanged.NOT_ISSUED:
        return None
    row = connection.execute(
        _WAIT, (user_id, coupon_id, change, order_reference, reason, changed_by)
    ).fetchone()
    coupon = find_owned_coupon(connection, user_id, coupon_id)
    return Changed(ChangeOutcome(row[0]), coupon) if row and coupon else None
