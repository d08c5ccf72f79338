"""What a receipt says of an issued coupon, as the ledger has it now."""

from datetime import datetime
from typing import Any, NamedTuple

from coupons.ledger.connection import Connection, translated
from coupons.queries import query


class CouponOfReceipt(NamedTuple):
    """A user's coupon; times are aware datetimes in UTC. expires_at: None: never.

    state: active, used, expired or revoked. discount: JSON; None: the coupon has none.
    """

    coupon_name: str
    issued_at: datetime
    expires_at: datetime | None
    state: str
    discount: Any


def find_coupon_of_receipt(
    connection: Connection, coupon_id: int, user_id: int
) -> CouponOfReceipt | None:
    """The coupon that this user has; None: the user has none. Raises LedgerUnavailable."""
    values = {"user_id": user_id, "coupon_id": coupon_id}
    with translated(connection):
        row = connection.execute(query("find_coupon_of_receipt"), values).fetchone()
    return None if row is None else CouponOfReceipt(*row)
