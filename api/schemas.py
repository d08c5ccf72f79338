"""The JSON forms of coupons, issue requests and issued coupons, as clients receive them."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, NotRequired

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from api.fields import ID_PATTERN
from coupons.codes import CodeKind
from coupons.gate import GateFigures
from coupons.ids import request_id_text
from coupons.ledger.codes import FoundCode
from coupons.ledger.coupon_actions import CouponAction
from coupons.ledger.owned_coupons import Change, OwnedCoupon
from coupons.model import Coupon, CouponState, IssuedState, IssueRequest, Status

Id = Annotated[str, Field(pattern=ID_PATTERN)]
"""The id of a coupon or a user. A string, because JavaScript's numbers end at 2^53."""
RequestId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(json_schema_extra={"format": "int64"})]


class IssueRequestView(TypedDict):
    """An issue request. The issued coupon has the id of its request.

    requests_ahead: while it is read as REQUESTED: how many requests of the coupon were admitted
    before it and are not final. estimated_seconds: until it may be final, by the rate at which the
    coupon's requests became final in the last seconds. Each is left out while it is not known.
    """

    id: RequestId
    coupon_id: Id
    user_id: Id
    status: Status
    requested_at: Time
    issued_coupon_id: NotRequired[RequestId]
    reason: NotRequired[str]
    requests_ahead: NotRequired[Count]
    estimated_seconds: NotRequired[Count]


class CouponView(TypedDict):
    """A coupon. places_left: how many claims the gate would still admit; null when unknown.

    version: its ETag without the quotes; another one after each change, but not after each claim.
    is_at_gate: whether claims are decided by this version already; null when unknown, or for a
    draft. is_scheduled: open, and its start is in the future; by the time, so that it ends without
    another version.
    """

    id: Id
    name: str
    total_quantity: Count
    issue_starts_at: Time
    issue_ends_at: Time | None
    state: CouponState
    is_scheduled: bool
    eligible_group: str | None
    valid_for_days: int | None
    valid_until: Time | None
    discount: dict[str, Any] | None
    metadata: dict[str, str] | None
    issued_count: Count
    rejected_count: Count
    places_left: Count | None
    created_at: Time
    version: Id
    is_at_gate: bool | None


class CouponPage(TypedDict):
    """A page, the greatest id first. next_cursor: null on the last one.

    unreadable: ids of coupons that belong here, and whose rows cannot be read.
    """

    items: list[CouponView]
    unreadable: list[Id]
    next_cursor: str | None


class CouponActionView(TypedDict):
    """What was done to a coupon, and by whom.

    login: the role at Postgres; null: not known. detail: the same as changes, for people. changes:
    by field; null: it was no change, or is from before this was kept.
    """

    id: Id
    acted_at: Time
    acted_by: str
    login: str | None
    action: str
    result: str
    detail: str
    changes: dict[str, "FieldChange"] | None


FieldChange = TypedDict("FieldChange", {"from": Any, "to": Any})
FieldChange.__doc__ = "What a field of a coupon was, and what it became; null: it was empty."


class CouponActionPage(TypedDict):
    """A page, newest first. next_cursor: null on the last one."""

    items: list[CouponActionView]
    next_cursor: str | None


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


def view_coupon(coupon: Coupon, figures: GateFigures | None) -> CouponView:
    """The JSON form of a coupon. figures: the gate's, read after the coupon."""
    terms = coupon.terms
    assert terms is not None
    return {
        "id": str(coupon.coupon_id),
        "name": coupon.name,
        "total_quantity": coupon.total_quantity,
        "issue_starts_at": rfc3339(coupon.issue_starts_at),
        "issue_ends_at": _optional(coupon.issue_ends_at),
        "state": coupon.state,
        "is_scheduled": coupon.state is CouponState.OPEN
        and coupon.issue_starts_at > datetime.now(UTC),
        "eligible_group": coupon.eligible_group,
        "valid_for_days": terms.valid_for_days,
        "valid_until": _optional(terms.valid_until),
        "discount": _as_written(terms.discount),
        "metadata": _as_written(terms.metadata),
        "issued_count": coupon.issued_count,
        "rejected_count": coupon.rejected_count,
        "places_left": figures and figures.places_left,
        "created_at": rfc3339(coupon.created_at),
        "version": str(coupon.version),
        "is_at_gate": figures and figures.version >= coupon.version,
    }


def view_action(action: CouponAction) -> CouponActionView:
    """The JSON form of what was done to a coupon."""
    return {
        "id": str(action.action_id),
        "acted_at": rfc3339(action.acted_at),
        "acted_by": action.acted_by,
        "login": action.login,
        "action": action.action,
        "result": action.result,
        "detail": action.detail,
        "changes": _as_written(action.changes),
    }


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _as_written(json: str | None) -> Any:
    """JSON of the ledger, which is sent as it is."""
    return None if json is None else orjson.Fragment(json)


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
        "expires_at": _optional(issued.expires_at),
        "changed_at": _optional(issued.changed_at),
        "order_reference": issued.order_reference,
        "reason": issued.reason,
        "discount": _as_written(issued.discount),
        "metadata": _as_written(issued.metadata),
    }


def view_found_code(found: FoundCode) -> FoundCodeView:
    """The JSON form of the issued coupon that a code belongs to."""
    return {
        "code": found.code,
        "issued_coupon_id": request_id_text(found.coupon_id, found.user_id),
        "coupon_id": str(found.coupon_id),
        "state": found.state,
        "expires_at": _optional(found.expires_at),
        "discount": _as_written(found.discount),
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
