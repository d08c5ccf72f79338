"""What clients receive: the JSON forms of coupons, issue requests and issued coupons."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NotRequired

from typing_extensions import TypedDict

from coupons.ids import request_id
from coupons.ledger.issued_coupons import IssuedCoupon
from coupons.model import Coupon, IssueRequest, Status


class IssueRequestView(TypedDict):
    """An issue request. The issued coupon has the id of its request."""

    id: str
    coupon_id: int
    user_id: int
    status: Status
    requested_at: str
    issued_coupon_id: NotRequired[str]
    reason: NotRequired[str]


class CouponView(TypedDict):
    """A coupon. places_left: what the gate would still admit; null when the gate does not say."""

    id: int
    name: str
    total_quantity: int
    issue_starts_at: str
    issue_ends_at: str | None
    state: str
    eligible_group: str | None
    issued_count: int
    rejected_count: int
    places_left: int | None
    created_at: str


class IssuedCouponView(TypedDict):
    """A user's own coupon."""

    id: str
    coupon_id: int
    coupon_name: str
    requested_at: str
    issued_at: str


class IssuedCouponPage(TypedDict):
    """A page, newest first. next_cursor: null on the last one."""

    items: list[IssuedCouponView]
    next_cursor: str | None


def rfc3339(moment: datetime) -> str:
    """An aware datetime as RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    # Requests come by the thousand in the same second, and this takes longer than all the rest.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def view_request(request: IssueRequest) -> IssueRequestView:
    """The JSON form of an issue request."""
    seconds, microseconds = divmod(request.requested_at_us, 1_000_000)
    view: IssueRequestView = {
        "id": request.id,
        "coupon_id": request.coupon_id,
        "user_id": request.user_id,
        "status": request.status,
        "requested_at": f"{_second(seconds)}.{microseconds:06}Z",
    }
    if request.status is Status.ISSUED:
        view["issued_coupon_id"] = view["id"]
    elif request.reason is not None:
        view["reason"] = request.reason
    return view


def view_coupon(coupon: Coupon, places_left: int | None) -> CouponView:
    """The JSON form of a coupon."""
    ends_at = coupon.issue_ends_at
    return {
        "id": coupon.coupon_id,
        "name": coupon.name,
        "total_quantity": coupon.total_quantity,
        "issue_starts_at": rfc3339(coupon.issue_starts_at),
        "issue_ends_at": None if ends_at is None else rfc3339(ends_at),
        "state": str(coupon.state),
        "eligible_group": coupon.eligible_group,
        "issued_count": coupon.issued_count,
        "rejected_count": coupon.rejected_count,
        "places_left": places_left,
        "created_at": rfc3339(coupon.created_at),
    }


def view_issued(issued: IssuedCoupon, user_id: int) -> IssuedCouponView:
    """The JSON form of a user's coupon."""
    return {
        "id": str(request_id(issued.coupon_id, user_id)),
        "coupon_id": issued.coupon_id,
        "coupon_name": issued.coupon_name,
        "requested_at": rfc3339(issued.requested_at),
        "issued_at": rfc3339(issued.issued_at),
    }
