"""JSON forms of issued coupons, their changes and their codes, typed for the API's description."""

from typing import Any

from typing_extensions import TypedDict

from api.schemas import Count, Id, RequestId, Time, as_written, optional_time, rfc3339
from coupons.codes import CodeKind
from coupons.ids import request_id_text
from coupons.ledger.codes import FoundCode
from coupons.ledger.owned_coupons import Change, OwnedCoupon
from coupons.model import IssuedState


class IssuedCouponView(TypedDict):
    """A user's own coupon.

    expires_at: null: never. changed_at: of the last change, null: there was none. order_reference:
    of the order that uses it. reason: why it was revoked. discount, metadata: the coupon's.
    """

    id: RequestId
    coupon_id: Id
    coupon_name: str
    user_id: Id
    requested_at: Time
    issued_at: Time
    state: IssuedState
    expires_at: Time | None
    changed_at: Time | None
    order_reference: str | None
    reason: str | None
    discount: dict[str, Any] | None
    metadata: dict[str, Any] | None


class IssuedCouponPage(TypedDict):
    """A page, newest first. next_cursor: null on the last one."""

    items: list[IssuedCouponView]
    next_cursor: str | None


class ChangeView(TypedDict):
    """A change of an issued coupon. number: from 1, without gaps."""

    number: Count
    from_state: IssuedState
    to_state: IssuedState
    changed_at: Time
    changed_by: str
    order_reference: str | None
    reason: str | None


class ChangePage(TypedDict):
    """A page, oldest first. next_cursor: null on the last one."""

    items: list[ChangeView]
    next_cursor: str | None


class CodesView(TypedDict):
    """A coupon's codes in numbers. missing: codes that its pool needs for the total quantity."""

    kind: CodeKind
    given: Count
    free: Count
    missing: Count


class RefusedLineView(TypedDict):
    """A line of a file that was left out, and why."""

    line: Count
    reason: str


class UploadView(TypedDict):
    """What became of a file of codes. reasons: how many lines were refused, by reason.

    header: the first line, when it was left out as a header; null: there was none.
    """

    header: str | None
    added: Count
    refused: Count
    reasons: dict[str, Count]
    first_refused: list[RefusedLineView]


class RemovedCodesView(TypedDict):
    """How many codes were removed from a pool; 0: none was free."""

    removed: Count


class GivenCodeView(TypedDict):
    """The code of a user's own coupon."""

    code: str
    issued_coupon_id: RequestId
    coupon_id: Id


class FoundCodeView(TypedDict):
    """The issued coupon of a code. expires_at: null: never. discount: the coupon's."""

    code: str
    issued_coupon_id: RequestId
    coupon_id: Id
    state: IssuedState
    expires_at: Time | None
    discount: dict[str, Any] | None


def view_issued(issued: OwnedCoupon) -> IssuedCouponView:
    """The JSON form of a user's coupon."""
    return {
        "id": issued.id,
        "coupon_id": str(issued.coupon_id),
        "coupon_name": issued.coupon_name,
        "user_id": str(issued.user_id),
        "requested_at": rfc3339(issued.requested_at),
        "issued_at": rfc3339(issued.issued_at),
        "state": issued.state,
        "expires_at": optional_time(issued.expires_at),
        "changed_at": optional_time(issued.changed_at),
        "order_reference": issued.order_reference,
        "reason": issued.reason,
        "discount": as_written(issued.discount),
        "metadata": as_written(issued.metadata),
    }


def view_found_code(found: FoundCode) -> FoundCodeView:
    """The JSON form of the issued coupon that a code belongs to."""
    return {
        "code": found.code,
        "issued_coupon_id": request_id_text(found.coupon_id, found.user_id),
        "coupon_id": str(found.coupon_id),
        "state": found.state,
        "expires_at": optional_time(found.expires_at),
        "discount": as_written(found.discount),
    }


def view_change(change: Change) -> ChangeView:
    """The JSON form of a change of an issued coupon."""
    return {
        "number": change.number,
        "from_state": change.from_state,
        "to_state": change.to_state,
        "changed_at": rfc3339(change.changed_at),
        "changed_by": change.changed_by,
        "order_reference": change.order_reference,
        "reason": change.reason,
    }
