"""Issued coupons as their users have them: read, use, cancel a use, revoke, expire."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from coupons.ids import request_id_text
from coupons.ledger.connection import Connection, int_array, translated
from coupons.model import ChangeOutcome, IssuedChange, IssuedState
from coupons.queries import query


class OwnedCoupon(NamedTuple):
    """An issued coupon as it is now. Times are aware datetimes in UTC.

    expires_at: None: never. changed_at: of the last change, None: there was none. order_reference:
    of the order that uses it. reason: why it was revoked. discount, metadata: the coupon's, as the
    text of JSON.
    """

    user_id: int
    coupon_id: int
    coupon_name: str
    requested_at: datetime
    issued_at: datetime
    expires_at: datetime | None
    state: IssuedState
    changed_at: datetime | None
    order_reference: str | None
    reason: str | None
    discount: str | None
    metadata: str | None

    @property
    def id(self) -> str:
        """Its UUID, which is that of its request."""
        return request_id_text(self.coupon_id, self.user_id)


class WantedChange(NamedTuple):
    """A change of the user's issued coupon. changed_by: as the audit trail names them.

    order_reference: of a use and its cancellation; it makes repeating them harmless. reason: of a
    revocation.
    """

    user_id: int
    coupon_id: int
    change: IssuedChange
    changed_by: str
    order_reference: str | None = None
    reason: str | None = None


class Changed(NamedTuple):
    """What came of a wanted change, and the coupon then."""

    outcome: ChangeOutcome
    coupon: OwnedCoupon


class Unchanged(StrEnum):
    """Why nothing was asked of a coupon."""

    NOT_ISSUED = "not_issued"
    LOCKED = "locked"
    """Another session is changing it: the same may be wanted again at once."""


class Change(NamedTuple):
    """A change of an issued coupon. number: from 1, without gaps."""

    number: int
    from_state: IssuedState
    to_state: IssuedState
    changed_at: datetime
    changed_by: str
    order_reference: str | None
    reason: str | None


class ExpiredPage(NamedTuple):
    """A page of a coupon's requests in which expiry was written. is_done: nothing is left now."""

    read_rows: int
    expired_rows: int
    is_done: bool


def list_owned_coupons(
    connection: Connection,
    user_id: int,
    page_size: int,
    *,
    after: tuple[datetime, int] | None = None,
    state: IssuedState | None = None,
    coupon_id: int | None = None,
) -> list[OwnedCoupon]:
    """A page of the user's coupons, newest first; after: (issued_at, coupon_id) of the last."""
    issued_at, after_id = after or (None, None)
    values = {
        "user_id": user_id,
        "state": state,
        "coupon_id": coupon_id,
        "after_issued_at": issued_at,
        "after_coupon_id": after_id,
        "page_size": page_size,
    }
    with translated(connection):
        rows = connection.execute(query("list_owned_coupons"), values)
        return [_owned(row) for row in rows]


def find_owned_coupon(connection: Connection, user_id: int, coupon_id: int) -> OwnedCoupon | None:
    """The user's coupon, or None: it is not issued."""
    values = {"user_id": user_id, "coupon_id": coupon_id}
    with translated(connection):
        row = connection.execute(query("find_owned_coupon"), values).fetchone()
    return None if row is None else _owned(row)


def change_owned_coupons(
    connection: Connection, wanted: Sequence[WantedChange]
) -> list[Changed | Unchanged]:
    """Make these changes in one transaction, and commit; a result for each.

    Two of the same coupon are made one after the other. Nobody is waited for: a coupon that another
    session has locked is left as it is. Raises LedgerUnavailable when nothing was changed,
    OutcomeUnknown when that is not known.
    """
    values = {
        "user_ids": int_array(each.user_id for each in wanted),
        "coupon_ids": int_array(each.coupon_id for each in wanted),
        "changes": [str(each.change) for each in wanted],
        "order_references": [each.order_reference for each in wanted],
        "reasons": [each.reason for each in wanted],
        "changed_by": [each.changed_by for each in wanted],
    }
    results: list[Changed | Unchanged] = [Unchanged.NOT_ISSUED] * len(wanted)
    with translated(connection):
        for number, outcome, *coupon in connection.execute(query("change_owned_coupons"), values):
            results[number - 1] = (
                Unchanged.LOCKED
                if outcome == Unchanged.LOCKED
                else Changed(ChangeOutcome(outcome), _owned(coupon))
            )
    return results


def list_changes(
    connection: Connection, user_id: int, coupon_id: int, page_size: int, after_number: int = 0
) -> list[Change]:
    """A page of the changes of one issued coupon, oldest first."""
    values = {
        "user_id": user_id,
        "coupon_id": coupon_id,
        "after_number": after_number,
        "page_size": page_size,
    }
    with translated(connection):
        return [
            Change(number, IssuedState(from_state), IssuedState(to_state), *rest)
            for number, from_state, to_state, *rest in connection.execute(
                query("list_changes"), values
            )
        ]


def list_expiry_due(connection: Connection) -> list[int]:
    """The coupons in which something may have expired that is not written as a change yet."""
    with translated(connection):
        return [row[0] for row in connection.execute(query("list_expiry_due"))]


def expire_issued_coupons(connection: Connection, coupon_id: int, page_size: int) -> ExpiredPage:
    """Write expiry for the next page of the coupon's requests, and commit."""
    values = {"coupon_id": coupon_id, "page_size": page_size}
    with translated(connection):
        row = connection.execute(query("expire_issued_coupons"), values).fetchone()
    assert row is not None
    return ExpiredPage(*row)


def _owned(row: Sequence[Any]) -> OwnedCoupon:
    return OwnedCoupon._make([*row[:6], IssuedState(row[6]), *row[7:]])
