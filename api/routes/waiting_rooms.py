"""Arriving in the waiting room of a coupon, and asking where one is."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from flask import Blueprint, Request, request

from api.app import Views, blueprint_of, in_event_loop
from api.arrivals import ArrivalResult, Arrived, NotATicket, WantedPosition
from api.authentication import ISSUE, Authenticator
from api.bodies import receive_body
from api.openapi_links import links_to
from api.openapi_parts import (
    BODY_PROBLEMS,
    COUPON_ID,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.problems import Problem, ProblemType
from api.rare_lookups import RareLookups, TooManyLookups
from api.request_body import current_request
from api.responses import RawResponse, json_response
from api.room_schemas import WaitingView, not_your_turn, retry_headers, view_waiting
from api.room_terms import ArrivalBody
from api.routes.coupon_problems import no_such_coupon
from api.write_batcher import NoAnswer, NotReached
from coupons.errors import CouponError, CouponUnreadable
from coupons.gate.waiting_room import Outside
from coupons.ledger.coupons import find_coupon
from coupons.model import Claim, CouponState, GateState
from coupons.process.bearer import Caller

Pending = Coroutine[Any, Any, RawResponse]

_OUTSIDE = {
    Outside.NO_ROOM: (ProblemType.NO_WAITING_ROOM, "has no waiting room: claim it directly"),
    Outside.CLOSED: (ProblemType.CLOSED, "is closed; it cannot be claimed any more"),
    Outside.SOLD_OUT: (ProblemType.SOLD_OUT, "is sold out"),
    Outside.NOT_ELIGIBLE: (ProblemType.NOT_ELIGIBLE, "is for a group or a list without you"),
    Outside.NOT_ARRIVED: (ProblemType.NOT_FOUND, "does not have you in its waiting room: arrive"),
}


class WaitingRoomRoutes:
    """POST and GET /coupons/{id}/waiting-room.

    submit: takes an arrival, see WriteBatcher. is_full: whether it has more than it can take.
    lookups: of coupons that the gate does not have.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        submit: Callable[[WantedPosition], asyncio.Future[ArrivalResult]],
        is_full: Callable[[], bool],
        lookups: RareLookups,
    ) -> None:
        self._authenticator = authenticator
        self._submit = submit
        self._is_full = is_full
        self._lookups = lookups

    def blueprint(self) -> Blueprint:
        """The routes."""
        path = "/coupons/<coupon_id:coupon_id>/waiting-room"
        views: Views = {f"POST {path}": self.arrive, f"GET {path}": self.read}
        return blueprint_of("waiting_rooms", views)

    @in_event_loop
    def arrive(self, coupon_id: int) -> Pending:
        """200 with the position, the same each time."""
        return self._arrive(current_request(), coupon_id, self._caller())

    @in_event_loop
    def read(self, coupon_id: int) -> Pending:
        """200 with the position; 404 for who has not arrived."""
        caller = self._caller()
        return self._answer(
            WantedPosition(coupon_id, caller.user_id, caller.groups, only_asks=True)
        )

    async def not_your_turn(self, claim: Claim) -> Problem:
        """The problem of a claim that the gate has refused so: it says when the turn comes."""
        try:
            found = await self._submit(
                WantedPosition(claim.coupon_id, claim.user_id, only_asks=True)
            )
        except (NotReached, NoAnswer):
            found = GateState.MISSING
        if isinstance(found, Arrived) or found is Outside.NOT_ARRIVED:
            return not_your_turn(claim, found if isinstance(found, Arrived) else None)
        what = "Your turn has not come, or you have not arrived in the waiting room"
        return Problem(ProblemType.NOT_YOUR_TURN, f"{what}.", reason="not_your_turn", turn_at=None)

    def _caller(self) -> Caller:
        if self._is_full():
            raise _overloaded("Too many arrivals are waiting")
        return self._authenticator.caller(request, ISSUE)

    async def _arrive(self, asked: Request, coupon_id: int, caller: Caller) -> RawResponse:
        body = await receive_body(asked, ArrivalBody)
        return await self._answer(
            WantedPosition(coupon_id, caller.user_id, caller.groups, body.ticket)
        )

    async def _answer(self, wanted: WantedPosition) -> RawResponse:
        try:
            found = await self._submit(wanted)
        except (NotReached, NoAnswer):
            raise _overloaded("The arrival was not reached in time") from None
        if isinstance(found, Arrived):
            view = view_waiting(wanted.coupon_id, wanted.user_id, found)
            return json_response(view, headers=retry_headers(found.waiting))
        raise await self._problem(wanted, found)

    async def _problem(
        self, wanted: WantedPosition, found: Outside | GateState | CouponError
    ) -> CouponError:
        coupon_id = wanted.coupon_id
        if isinstance(found, NotATicket):
            named = [{"field": "ticket", "message": str(found)}]
            return Problem(ProblemType.INVALID, f"ticket: {found}", errors=named)
        if isinstance(found, CouponError):
            return found
        if found is GateState.MISSING:
            found = await self._look_up(wanted)
        if isinstance(found, Outside):
            kind, what = _OUTSIDE[found]
            return Problem(kind, f"Coupon {coupon_id} {what}.")
        what = f"The gate is unavailable for coupon {coupon_id} until it is rebuilt"
        return Problem(ProblemType.GATE_CLOSED, f"{what}. Arrive again, which is harmless.")

    async def _look_up(self, wanted: WantedPosition) -> Outside | GateState:
        """What the ledger says of a coupon that the gate does not have. Raises Problem."""
        try:
            coupon = await self._lookups.find(partial(find_coupon, coupon_id=wanted.coupon_id))
        except TooManyLookups:
            raise _overloaded("Too many arrivals at such coupons are waiting") from None
        except CouponUnreadable:
            return GateState.UNREADABLE
        if coupon is None or not coupon.is_shown_to(wanted.groups):
            raise no_such_coupon(wanted.coupon_id)
        return Outside.CLOSED if coupon.state is CouponState.ARCHIVED else GateState.MISSING


def _overloaded(what: str) -> Problem:
    return Problem(ProblemType.OVERLOADED, f"{what}. Arrive again, which is harmless.")


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    kinds = (
        ProblemType.NOT_FOUND,
        ProblemType.NO_WAITING_ROOM,
        ProblemType.CLOSED,
        ProblemType.SOLD_OUT,
        ProblemType.GATE_CLOSED,
        ProblemType.GATE_UNAVAILABLE,
        ProblemType.OVERLOADED,
        *WRITE_PROBLEMS,
    )
    links = links_to("arrive", "readPosition", "claimCoupon", id="$response.body#/coupon_id")
    where = {"200": response("The position", WaitingView, "Retry-After", links=links)}
    arrive = operation(
        "arrive",
        "Arrive in the waiting room of a coupon; again: the same position",
        where,
        (*BODY_PROBLEMS, ProblemType.NOT_ELIGIBLE, *kinds),
        scope=ISSUE,
        body=ArrivalBody,
    )
    read = operation("readPosition", "Where the user is waiting", where, kinds, scope=ISSUE)
    path = {"parameters": [COUPON_ID], "post": arrive, "get": read}
    return DocumentPart(
        {"/coupons/{id}/waiting-room": path}, bodies=(ArrivalBody,), views=(WaitingView,)
    )
