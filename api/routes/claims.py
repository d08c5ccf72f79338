"""Claims: the hot path."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from math import ceil
from time import time
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from api.app import Views, blueprint_of, in_event_loop
from api.authentication import ISSUE, Authenticator
from api.claim_results import ClaimOutcome, ClaimResult
from api.environ import SCOPE
from api.openapi_links import links_to
from api.openapi_parts import COUPON_ID, LIMIT_HEADERS, DocumentPart, operation, response
from api.opening_times import OpeningTimes
from api.problems import Problem, ProblemType, retry_after
from api.rare_lookups import RareLookups, TooManyLookups
from api.responses import RawResponse, json_response
from api.routes.claim_problems import gate_unavailable, outcome_unknown
from api.routes.coupon_problems import no_such_coupon
from api.schemas import IssueRequestView, rfc3339_of, view_request
from api.write_batcher import NoAnswer, NotReached
from coupons.errors import CouponUnreadable
from coupons.ids import request_id
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import find_coupon
from coupons.ledger.requests import find_requests
from coupons.model import Claim, CouponState, IssueRequest

if TYPE_CHECKING:
    from granian.rsgi import Scope

    from api.claim_limiter import ClaimLimiter

NEAR_SECONDS = 600
"""A claim that comes at most this early gets Retry-After until the coupon opens."""

_REFUSALS = {
    ClaimOutcome.NOT_OPEN: (ProblemType.NOT_OPEN, "is not open yet; claim it once it opens"),
    ClaimOutcome.CLOSED: (ProblemType.CLOSED, "is closed; it cannot be claimed any more"),
    ClaimOutcome.PAUSED: (ProblemType.PAUSED, "is paused; claim it later"),
    ClaimOutcome.SOLD_OUT: (ProblemType.SOLD_OUT, "is sold out"),
    ClaimOutcome.NOT_ELIGIBLE: (ProblemType.NOT_ELIGIBLE, "is for a group or a list without you"),
}


class ClaimRoutes:
    """POST /coupons/{id}/issue-requests.

    submit: decides a claim, see WriteBatcher. is_full: whether it has more than it can decide; then
    claims are refused before anything is done for them, so that those that wait are decided soon.
    not_your_turn: the problem of a claim that came before its turn. limiter: None: nobody is
    limited. lookups: of coupons that the gate does not have.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        submit: Callable[[Claim], asyncio.Future[ClaimResult]],
        is_full: Callable[[], bool],
        lookups: RareLookups,
        openings: OpeningTimes,
        not_your_turn: Callable[[Claim], Awaitable[Problem]],
        limiter: "ClaimLimiter | None" = None,
    ) -> None:
        self._authenticator = authenticator
        self._openings = openings
        self._not_your_turn = not_your_turn
        self._submit = submit
        self._is_full = is_full
        self._limiter = limiter
        self._lookups = lookups

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "POST /coupons/<coupon_id:coupon_id>/issue-requests": self.claim,
        }
        return blueprint_of("claims", views)

    @in_event_loop
    def claim(self, coupon_id: int) -> Coroutine[Any, Any, RawResponse]:
        """202 when the request is now a committed row; 200 when it was accepted before."""
        environ = request.environ
        return self.claim_by(coupon_id, environ.get("HTTP_AUTHORIZATION", ""), environ[SCOPE])

    def claim_by(
        self, coupon_id: int, authorization: str, scope: "Scope"
    ) -> Coroutine[Any, Any, RawResponse]:
        """The same without Flask, by the value of the header Authorization."""
        if self._is_full():
            raise Problem(ProblemType.OVERLOADED, _claim_again("Too many claims are waiting"))
        caller = self._authenticator.caller_by(authorization, ISSUE)
        claim = Claim(coupon_id, caller.user_id, caller.groups)
        if self._limiter is not None:
            return self._limited(self._limiter, claim, scope)
        return self._decided(claim)

    async def _limited(self, limiter: "ClaimLimiter", claim: Claim, scope: "Scope") -> RawResponse:
        headers = await limiter.allow(claim.user_id, scope)
        try:
            response = await self._decided(claim)
        except Problem as problem:
            problem.headers.update(headers)
            raise
        response.headers.extend(headers.items())
        return response

    async def _decided(self, claim: Claim) -> RawResponse:
        try:
            outcome, accepted = await self._submit(claim)
        except NotReached:
            raise Problem(
                ProblemType.OVERLOADED, _claim_again("The claim was not reached in time")
            ) from None
        except NoAnswer:
            outcome, accepted = ClaimOutcome.OUTCOME_UNKNOWN, None
        if accepted is not None:
            return _accepted(accepted, 202 if outcome is ClaimOutcome.ACCEPTED else 200)
        if outcome is ClaimOutcome.NOT_OPEN:
            raise _not_open(claim.coupon_id, await self._openings.opens_at_us(claim.coupon_id))
        if outcome is ClaimOutcome.NOT_YOUR_TURN:
            raise await self._not_your_turn(claim)
        if outcome is ClaimOutcome.MISSING:
            known = await self._look_up(claim)
            if known is not None:
                return _accepted(known, 200)
        raise _not_accepted(claim, outcome)

    async def _look_up(self, claim: Claim) -> IssueRequest | None:
        try:
            return await self._lookups.find(partial(_find_forgotten, claim))
        except TooManyLookups:
            what = "Too many claims of such coupons are waiting"
            raise Problem(ProblemType.OVERLOADED, _claim_again(what)) from None
        except CouponUnreadable:
            return None  # it exists, and its gate stays unavailable


def _find_forgotten(claim: Claim, connection: Connection) -> IssueRequest | None:
    """The user's request for an archived coupon; None: the gate has to be rebuilt.

    Raises CouponUnreadable, or Problem when nothing comes of the claim: users may see no such
    coupon, or it is archived and they have no request.
    """
    coupon = find_coupon(connection, claim.coupon_id)
    if coupon is None or not coupon.is_shown_to(claim.groups):
        raise no_such_coupon(claim.coupon_id)
    if coupon.state is not CouponState.ARCHIVED:
        return None
    known = find_requests(connection, [claim[:2]])
    if not known:
        raise _not_accepted(claim, ClaimOutcome.CLOSED)
    return known[0]


def _accepted(accepted: IssueRequest, status: int) -> RawResponse:
    view = view_request(accepted)
    headers = {"location": f"/issue-requests/{view['id']}"}
    if not accepted.is_final:
        headers["retry-after"] = retry_after()
    return json_response(view, status, headers)


def _not_open(coupon_id: int, opens_at_us: int | None) -> Problem:
    """With `opens_at`; in the last NEAR_SECONDS also with Retry-After in seconds."""
    kind, what = _REFUSALS[ClaimOutcome.NOT_OPEN]
    detail, reason = f"Coupon {coupon_id} {what}.", str(ClaimOutcome.NOT_OPEN)
    if opens_at_us is None:
        return Problem(kind, detail, reason=reason)
    headers = {}
    seconds = opens_at_us / 1_000_000 - time()
    if seconds <= NEAR_SECONDS:
        headers["retry-after"] = str(max(1, ceil(seconds)) + int(retry_after()) - 1)
    return Problem(kind, detail, headers, reason=reason, opens_at=rfc3339_of(opens_at_us))


def _not_accepted(claim: Claim, outcome: ClaimOutcome) -> Problem:
    if outcome in _REFUSALS:
        kind, what = _REFUSALS[outcome]
        return Problem(kind, f"Coupon {claim.coupon_id} {what}.", reason=str(outcome))
    if outcome is ClaimOutcome.OUTCOME_UNKNOWN:
        return outcome_unknown(str(request_id(claim.coupon_id, claim.user_id)))
    if outcome is ClaimOutcome.GATE_UNAVAILABLE:
        return gate_unavailable(str(request_id(claim.coupon_id, claim.user_id)))
    if outcome is ClaimOutcome.LEDGER_UNAVAILABLE:
        kind = ProblemType.LEDGER_UNAVAILABLE
        return Problem(kind, _claim_again(kind.value.title))
    what = f"The gate is unavailable for coupon {claim.coupon_id} until it is rebuilt"
    return Problem(ProblemType.GATE_CLOSED, _claim_again(what))


def _claim_again(what: str) -> str:
    return f"{what}: nothing was accepted. Claim again."


def openapi_part() -> DocumentPart:
    """This route in the API's description."""
    headers = ("Location", "Retry-After", *LIMIT_HEADERS)
    links = links_to("readRequest", "readTimeline", id="$response.body#/id")
    responses = {
        "202": response(
            "Accepted: the request is durable", IssueRequestView, *headers, links=links
        ),
        "200": response(
            "Accepted before: the same request", IssueRequestView, *headers, links=links
        ),
    }
    kinds = (
        ProblemType.NOT_ELIGIBLE,
        ProblemType.NOT_FOUND,
        ProblemType.NOT_OPEN,
        ProblemType.CLOSED,
        ProblemType.PAUSED,
        ProblemType.SOLD_OUT,
        ProblemType.NOT_YOUR_TURN,
        ProblemType.TOO_MANY_CLAIMS,
        ProblemType.GATE_CLOSED,
        ProblemType.GATE_UNAVAILABLE,
        ProblemType.LEDGER_UNAVAILABLE,
        ProblemType.OUTCOME_UNKNOWN,
        ProblemType.OVERLOADED,
    )
    summary = "Claim a coupon for the token's user"
    claim = operation("claimCoupon", summary, responses, kinds, scope=ISSUE)
    path = {"parameters": [COUPON_ID], "post": claim}
    return DocumentPart({"/coupons/{id}/issue-requests": path}, views=(IssueRequestView,))
