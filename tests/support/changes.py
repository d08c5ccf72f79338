"""One change of an issued coupon in the ledger, as a batch of its own."""

from coupons.ledger.connection import Connection
from coupons.ledger.owned_coupons import Changed, WantedChange, change_owned_coupons
from coupons.model import IssuedChange


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
    """What came of it; None: it is not issued. The arguments are those of WantedChange."""
    wanted = WantedChange(user_id, coupon_id, change, changed_by, order_reference, reason)
    return change_owned_coupons(connection, [wanted])[0]
