"""The JSON forms of coupons, issue requests and erasures, as clients receive them."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, NotRequired

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from api.fields import ID_PATTERN
from api.room_terms import RoomView, view_room
from coupons.gate import GateFigures
from coupons.ledger.coupon_actions import CouponAction
from coupons.ledger.erasures import Erasure
from coupons.model import Coupon, CouponState, IssueRequest, Status

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
    """A coupon. places_left: how many claims the gate would still admit; null when unknown; 0 while
    users wait in line: what comes back is theirs.

    version: its ETag without the quotes; another one after each change, but not after each claim.
    is_at_gate: whether claims are decided by this version already; null when unknown, or for a
    draft or an archived coupon, which the gate does not have. is_scheduled: open, and its start is
    in the future; by the time, so that it ends without another version. retired_at: since when
    its requests and issued coupons are in files, and no longer here; null: they are here.
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
    waiting_room: RoomView | None
    retired_at: Time | None


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


class ErasureView(TypedDict):
    """The proof that a user was erased; it does not name the user.

    counts: by table, rows that named the user. at_gate_since: null: the reconciler is about to end
    it. log_forgets_at: when the request topic and the events have deleted their last record of the
    user; null: they keep records for good. repeated: requests that old records brought back, and
    that were erased again. open_exports: files of retired coupons that may still name the user.
    """

    id: RequestId
    erased_at: Time
    asked_by: str
    counts: dict[str, Count]
    at_gate_since: Time | None
    log_forgets_at: Time | None
    repeated: Count
    open_exports: Count


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
    if not coupon.belongs_at_gate:
        figures = None  # of an archived one the gate may have some for a moment
    return {
        "id": str(coupon.coupon_id),
        "name": coupon.name,
        "total_quantity": coupon.total_quantity,
        "issue_starts_at": rfc3339(coupon.issue_starts_at),
        "issue_ends_at": optional_time(coupon.issue_ends_at),
        "state": coupon.state,
        "is_scheduled": coupon.state is CouponState.OPEN
        and coupon.issue_starts_at > datetime.now(UTC),
        "eligible_group": coupon.eligible_group,
        "valid_for_days": terms.valid_for_days,
        "valid_until": optional_time(terms.valid_until),
        "discount": as_written(terms.discount),
        "metadata": as_written(terms.metadata),
        "issued_count": coupon.issued_count,
        "rejected_count": coupon.rejected_count,
        "places_left": figures and (0 if coupon.has_line else figures.places_left),
        "created_at": rfc3339(coupon.created_at),
        "version": str(coupon.version),
        "is_at_gate": figures and figures.version >= coupon.version,
        "waiting_room": view_room(coupon.room),
        "retired_at": optional_time(coupon.retired_at),
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
        "changes": as_written(action.changes),
    }


def view_erasure(erasure: Erasure, open_exports: int) -> ErasureView:
    """The JSON form of the proof. open_exports: how many may still name the user."""
    return {
        "id": str(erasure.erasure_id),
        "erased_at": rfc3339(erasure.erased_at),
        "asked_by": erasure.asked_by,
        "counts": erasure.counts,
        "at_gate_since": optional_time(erasure.at_gate_since),
        "log_forgets_at": optional_time(erasure.log_forgets_at),
        "repeated": erasure.repeated,
        "open_exports": open_exports,
    }


def optional_time(moment: datetime | None) -> str | None:
    """In the API's form; None stays."""
    return None if moment is None else rfc3339(moment)


def as_written(json: str | None) -> Any:
    """JSON of the ledger, which is sent as it is."""
    return None if json is None else orjson.Fragment(json)
