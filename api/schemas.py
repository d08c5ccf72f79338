"""The JSON forms of coupons, issue requests and issued coupons, as clients receive them."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from api.fields import ID_PATTERN
from coupons.codes import CodeKind
from coupons.ids import request_id
from coupons.ledger.issued_coupons import IssuedCoupon
from coupons.model import Coupon, CouponState, IssueRequest, Status

Id = Annotated[str, Field(pattern=ID_PATTERN)]
"""The id of a coupon or a user. A string, because JavaScript's numbers end at 2^53."""
RequestId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(json_schema_extra={"format": "int64"})]


class IssueRequestView(TypedDict):
    """An issue request. The issued coupon has the id of its request."""

    id: RequestId
    coupon_id: Id
    user_id: Id
    status: Status
    requested_at: Time
    issued_coupon_id: NotRequired[RequestId]
    reason: NotRequired[str]


class CouponView(TypedDict):
    """A coupon. places_left: how many claims the gate would still admit; null when unknown."""

    id: Id
    name: str
    total_quantity: Count
    issue_starts_at: Time
    issue_ends_at: Time | None
    state: CouponState
    eligible_group: str | None
    issued_count: Count
    rejected_count: Count
    places_left: Count | None
    created_at: Time


class IssuedCouponView(TypedDict):
    """A user's own coupon."""

    id: RequestId
    coupon_id: Id
    coupon_name: str
    requested_at: Time
    issued_at: Time


class IssuedCouponPage(TypedDict):
    """A page, newest first. next_cursor: null on the last one."""

    items: list[IssuedCouponView]
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
    """What became of a file of codes. reasons: how many lines were refused, by reason."""

    added: Count
    refused: Count
    reasons: dict[str, Count]
    first_refused: list[RefusedLineView]


class GivenCodeView(TypedDict):
    """The code of a user's own coupon."""

    code: str
    issued_coupon_id: RequestId
    coupon_id: Id


class FoundCodeView(TypedDict):
    """The issued coupon of a code. state: active, used, expired or revoked."""

    code: str
    issued_coupon_id: RequestId
    coupon_id: Id
    state: str


def rfc3339(moment: datetime) -> str:
    """An aware datetime as RFC 3339 in UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def rfc3339_of(moment_us: int) -> str:
    """Microseconds since 1970 as RFC 3339 in UTC."""
    seconds, microseconds = divmod(moment_us, 1_000_000)
    return f"{_second(seconds)}.{microseconds:06}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    # Thousands of requests come in the same second, and this takes longer than all the rest.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def view_request(request: IssueRequest) -> IssueRequestView:
    """The JSON form of an issue request."""
    view: IssueRequestView = {
        "id": request.id,
        "coupon_id": str(request.coupon_id),
        "user_id": str(request.user_id),
        "status": request.status,
        "requested_at": rfc3339_of(request.requested_at_us),
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
        "id": str(coupon.coupon_id),
        "name": coupon.name,
        "total_quantity": coupon.total_quantity,
        "issue_starts_at": rfc3339(coupon.issue_starts_at),
        "issue_ends_at": None if ends_at is None else rfc3339(ends_at),
        "state": coupon.state,
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
        "coupon_id": str(issued.coupon_id),
        "coupon_name": issued.coupon_name,
        "requested_at": rfc3339(issued.requested_at),
        "issued_at": rfc3339(issued.issued_at),
    }
