"""The timeline of one user's request for one coupon; without a request: why a claim is refused."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from typing_extensions import TypedDict

from api.schemas import Count, Id, RequestId, Time, rfc3339, rfc3339_of
from coupons.errors import CouponUnreadable, RedisUnavailable
from coupons.gate import Gate, GateFigures
from coupons.gate.claims_now import refusal_now
from coupons.gate.waiting_room import has_turn
from coupons.ids import request_id_text
from coupons.ledger.audiences import is_listed
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.coupons import find_coupon
from coupons.ledger.lives import Life, read_life
from coupons.ledger.owned_coupons import Change
from coupons.ledger.requests import TimedRequest, find_timed_request
from coupons.model import (
    Coupon,
    GateState,
    IssuedState,
    IssueRequest,
    Refusal,
    Status,
)

UNAVAILABLE = "unavailable"
"""The reason while the gate is unavailable."""


class RequestStep(StrEnum):
    """What happens to a request and to its issued coupon. From used on, in any order."""

    ADMITTED = "admitted"
    ACCEPTED = "accepted"
    """Its row is committed."""
    ISSUED = "issued"
    REJECTED = "rejected"
    USED = "used"
    USE_CANCELLED = "use_cancelled"
    EXPIRED = "expired"
    REVOKED = "revoked"


class TimelineStepView(TypedDict):
    """at: null: its moment is not recorded. reason: of a rejection or a revocation."""

    step: RequestStep
    at: Time | None
    order_reference: str | None
    reason: str | None


class TimelineView(TypedDict):
    """The life of a request, or why there is none.

    request_id: the id that the request has, or would have. status: null: there is no request.
    steps: in order; of the issued coupon's changes the last 50, after hidden_changes earlier ones.
    refusal: without a request, why a claim would be refused now; null: it would be admitted.
    opens_at: of `not_open`. advice: what to do now, for people.
    """

    request_id: RequestId
    coupon_id: Id
    user_id: Id
    status: Status | None
    steps: list[TimelineStepView]
    hidden_changes: Count
    refusal: str | None
    opens_at: Time | None
    advice: str


class Story(NamedTuple):
    """What is known of a user and a coupon.

    request: by the ledger, else by the gate (then without the time of its outcome); None: there is
    none. is_written: whether the ledger has its row. refusal, opens_at: of a claim now.
    """

    request: TimedRequest | None
    is_written: bool = False
    life: Life | None = None
    refusal: Refusal | GateState | None = None
    opens_at: datetime | None = None


def read_story(
    pool: LedgerPool, gate: Gate, coupon_id: int, user_id: int, groups: Collection[str] = ()
) -> Story | None:
    """By key: at most four reads of the ledger and two calls of the gate. groups: the user's.

    No connection of the pool waits for the gate. None: there is no request, and no coupon that
    users may see. Raises LedgerUnavailable.
    """
    with pooled(pool) as connection:
        row = find_timed_request(connection, coupon_id, user_id)
        if row is not None:
            is_issued = row.request.status is Status.ISSUED
            life = read_life(connection, coupon_id, user_id) if is_issued else None
            return Story(row, True, life)
    marked, figures = _at_gate(gate, coupon_id, user_id)
    if marked is not None:
        return Story(TimedRequest(marked, None))
    try:
        with pooled(pool) as connection:
            coupon = find_coupon(connection, coupon_id)
            can_claim = is_listed(connection, coupon_id, user_id)
    except CouponUnreadable:
        return Story(None, refusal=GateState.UNREADABLE)
    if coupon is None or not coupon.is_shown_to(groups):
        return None
    refusal = refusal_now(coupon, figures, groups, can_claim, datetime.now(UTC))
    if refusal is None and coupon.room is not None:
        refusal = _before_turn(gate, coupon_id, user_id)
    return _without_request(coupon, refusal)


def _before_turn(gate: Gate, coupon_id: int, user_id: int) -> Refusal | GateState | None:
    """Of a coupon with a waiting room; None: the user's turn has come."""
    try:
        return None if has_turn(gate, coupon_id, user_id) else Refusal.NOT_YOUR_TURN
    except RedisUnavailable:
        return GateState.REFUSED


def _without_request(coupon: Coupon, refusal: Refusal | GateState | None) -> Story:
    opens_at = coupon.issue_starts_at if refusal is Refusal.NOT_OPEN else None
    return Story(None, refusal=refusal, opens_at=opens_at)


def _at_gate(
    gate: Gate, coupon_id: int, user_id: int
) -> tuple[IssueRequest | None, GateFigures | GateState | None]:
    """The request that the gate has, and the coupon's figures; or why the gate is unavailable."""
    try:
        found = gate.read(coupon_id, [user_id])
        if isinstance(found, GateState):
            return None, found
        return found[0], gate.figures([coupon_id])[0]
    except RedisUnavailable:
        return None, GateState.REFUSED


def view_timeline(coupon_id: int, user_id: int, story: Story) -> TimelineView:
    """The JSON form."""
    now = datetime.now(UTC)
    timed, life = story.request, story.life
    refusal = story.refusal
    return {
        "request_id": request_id_text(coupon_id, user_id),
        "coupon_id": str(coupon_id),
        "user_id": str(user_id),
        "status": None if timed is None else timed.request.status,
        "steps": [] if timed is None else list(_steps(timed, story, now)),
        "hidden_changes": 0 if life is None else life.total - len(life.changes),
        "refusal": UNAVAILABLE if isinstance(refusal, GateState) else refusal,
        "opens_at": None if story.opens_at is None else rfc3339(story.opens_at),
        "advice": _advice(story, now),
    }


def _steps(timed: TimedRequest, story: Story, now: datetime) -> Iterator[TimelineStepView]:
    request = timed.request
    yield _step(RequestStep.ADMITTED, rfc3339_of(request.requested_at_us))
    if story.is_written:
        yield _step(RequestStep.ACCEPTED)
    if request.is_final:
        step = RequestStep.ISSUED if request.status is Status.ISSUED else RequestStep.REJECTED
        at = None if timed.final_at is None else rfc3339(timed.final_at)
        yield _step(step, at, reason=request.reason)
    if story.life is not None:
        yield from map(_step_of, story.life.changes)
        if story.life.is_over(now):
            assert story.life.expires_at is not None
            yield _step(RequestStep.EXPIRED, rfc3339(story.life.expires_at))


def _step_of(change: Change) -> TimelineStepView:
    is_active = change.to_state is IssuedState.ACTIVE
    step = RequestStep.USE_CANCELLED if is_active else RequestStep(change.to_state)
    return _step(step, rfc3339(change.changed_at), change.order_reference, change.reason)


def _step(
    step: RequestStep,
    at: str | None = None,
    order_reference: str | None = None,
    reason: str | None = None,
) -> TimelineStepView:
    return {"step": step, "at": at, "order_reference": order_reference, "reason": reason}


_OF_REFUSALS = {
    None: "You have not claimed it, and a claim would be admitted now: claim it.",
    Refusal.NOT_OPEN: "It is not open yet: claim it at opens_at.",
    Refusal.PAUSED: "It is paused: claim it later.",
    Refusal.CLOSED: "It has ended, for good. Nothing can be done.",
    Refusal.SOLD_OUT: "Nothing is left. Claim it again if its total is raised, or if a request that"
    " is in flight does not become a coupon.",
    Refusal.NOT_ELIGIBLE: "It is for a group that your token does not name, or for a list that you"
    " are not on. If you have joined the group, sign in again, and claim it.",
    Refusal.NOT_YOUR_TURN: "It has a waiting room, and your turn has not come, or you have not"
    " arrived: POST /coupons/{id}/waiting-room says when it comes.",
}
_OF_STATUSES = {
    Status.REQUESTED: "It is being decided. Read the request with `wait`; claiming again changes"
    " nothing.",
    Status.REJECTED: "Your request was accepted, and nothing was left when it was decided. That is"
    " final.",
}
_OF_STATES = {
    IssuedState.ACTIVE: "It is yours, and can be used.",
    IssuedState.USED: "It is used. If the order falls through, the shop cancels the use.",
    IssuedState.EXPIRED: "It has expired, for good.",
    IssuedState.REVOKED: "It was revoked, for good; the step has the reason.",
}


def _advice(story: Story, now: datetime) -> str:
    if story.request is None:
        if isinstance(story.refusal, GateState):
            return (
                "The gate is unavailable: whether you have claimed it is not known if the claim is"
                " not accepted yet. Claim again in some seconds, which is harmless."
            )
        return _OF_REFUSALS[story.refusal]
    status = story.request.request.status
    if status is not Status.ISSUED:
        return _OF_STATUSES[status]
    if story.life is None:
        return _OF_STATES[IssuedState.ACTIVE]
    return _OF_STATES[IssuedState.EXPIRED if story.life.is_over(now) else story.life.state]
