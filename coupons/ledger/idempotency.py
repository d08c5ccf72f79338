"""Coupons that are created once, however often the call is repeated."""

from typing import NamedTuple, Unpack

from psycopg import Rollback
from psycopg.errors import LockNotAvailable

from coupons.errors import CouponError
from coupons.ledger.connection import Connection, translated
from coupons.ledger.coupon_pages import read_coupon
from coupons.ledger.coupons import NewCoupon, insert_coupon
from coupons.model import Coupon
from coupons.queries import query


class CreationKey(NamedTuple):
    """What names one creation. body_digest: SHA-256 of what is wanted."""

    caller_id: int
    key: str
    body_digest: bytes


class KeyReused(CouponError):
    """The key was used for a coupon that was defined otherwise: nothing was done."""


class KeyInProgress(CouponError):
    """A creation with the same key is running, and was waited for: nothing was done."""


class CreatedAndGone(CouponError):
    """What the key created was discarded since: nothing was done. coupon_id: of that coupon."""

    def __init__(self, coupon_id: int) -> None:
        super().__init__(f"Coupon {coupon_id}, which this key created, was discarded.")
        self.coupon_id = coupon_id


def create_once(
    connection: Connection, key: CreationKey, acted_by: str, **definition: Unpack[NewCoupon]
) -> tuple[Coupon | None, bool]:
    """The coupon that came of the key, and whether it was created just now.

    None: the id is already used, and the key can be used again. Raises KeyReused, KeyInProgress,
    CreatedAndGone and what `create_coupon` raises.
    """
    coupon: Coupon | None = None
    with translated(connection), connection.transaction():
        try:
            first = connection.execute(query("take_idempotency_key"), key._asdict()).fetchone()
        except LockNotAvailable:
            raise KeyInProgress(f"A call with the key {key.key} is being carried out.") from None
        if first is None:
            coupon = insert_coupon(connection, definition, acted_by)
            if coupon is None:
                raise Rollback
            kept = {"caller_id": key.caller_id, "key": key.key, "coupon_id": coupon.coupon_id}
            connection.execute(query("keep_idempotency_key"), kept)
            return coupon, True
    if first is None:
        return None, False
    digest, coupon_id = first
    if digest != key.body_digest:
        raise KeyReused(f"The key {key.key} was used for another coupon.")
    coupon = read_coupon(connection, coupon_id)
    if coupon is None:
        raise CreatedAndGone(coupon_id)
    return coupon, False
