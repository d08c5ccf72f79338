"""Claims: the hot path."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from math import ceil
from time import time
from typing import Any

from flask import Blueprint, request

from api.app import in_event_loop
from api.authentication import ISSUE, Authenticator
from api.claims import Accepted, ClaimFailure, Verdict
from api.openings import Openings
from api.problems import Problem, ProblemType, retry_after
from api.responses import RawResponse, raw_json_response
from api.schemas import rfc3339_of, view_request
from api.write_batcher import NoAnswer, NotReached, WriteBatcher
from coupons.errors import CouponUnreadable
from coupons.ids import request_id
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.coupons import find_coupon
from coupons.model import Claim, GateState, IssueRequest, Refusal

NEAR_SECONDS = 600
"""Whoever comes so long before a coupon opens is told to come back then."""

_REFUSALS = {
    Refusal.NOT_OPEN: (ProblemType.NOT_OPEN, "is not open yet; claim it once it opens"),
    Refusal.CLOSED: (ProblemType.CLOSED, "is closed; it cannot be claimed any more"),
    Refusal.PAUSED: (ProblemType.PAUSED, "is paused; claim it later"),
    Refusal.SOLD_OUT: (ProblemType.SOLD_OUT, "has no place left"),
    Refusal.NOT_ELIGIBLE: (ProblemType.NOT_ELIGIBLE, "is for a group that you are not in"),
}
_TROUBLES = {
    ClaimFailure.GATE_UNAVAILABLE: ProblemType.GATE_UNAVAILABLE,
    ClaimFailure.LEDGER_UNAVAILABLE: ProblemType.LEDGER_UNAVAILABLE,
    ClaimFailure.EPOCH_OVER: ProblemType.GATE_CLOSED,
}


class ClaimRoutes:
    """POST /coupons/{id}/issue-requests."""

    def __init__(
        self,
        authenticator: Authenticator,
        batcher: WriteBatcher[Claim, Verdict],
        pool: LedgerPool,
        openings: Openings,
    ) -> None:
        self._authenticator = authenticator
        self._openings = openings
        self._batcher = batcher
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("claims", __name__)
        routes.post("/coupons/<coupon_id:coupon_id>/issue-requests")(self.claim)
        return routes

    @in_event_loop
    def claim(self, coupon_id: int) -> Coroutine[Any, Any, RawResponse]:
        """202 when the request is a committed row; 200 when it was one before."""
        caller = self._authenticator.caller(request, ISSUE)
        return self._decided(Claim(coupon_id, caller.user_id, caller.groups))

    async def _decided(self, claim: Claim) -> RawResponse:
        try:
            verdict = await self._batcher.submit(claim)
        except NotReached:
            raise Problem(
                ProblemType.OVERLOADED, _claim_again("The claim was not reached")
            ) from None
        except NoAnswer:
            verdict = ClaimFailure.OUTCOME_UNKNOWN
        if isinstance(verdict, Accepted):
            return _accepted(verdict.request, 200 if verdict.repeated else 202)
        if isinstance(verdict, IssueRequest):
            return _accepted(verdict, 200)
        if verdict is Refusal.NOT_OPEN:
            raise _not_open(claim.coupon_id, await self._openings.opens_at_us(claim.coupon_id))
        if verdict is GateState.MISSING:
            await asyncio.to_thread(self._check_exists, claim.coupon_id)
        raise _not_accepted(claim, verdict)

    def _check_exists(self, coupon_id: int) -> None:
        # One whose row cannot be read exists, and its gate stays closed.
        with suppress(CouponUnreadable), pooled(self._pool) as connection:
            if find_coupon(connection, coupon_id) is None:
                raise Problem(ProblemType.NOT_FOUND, f"There is no coupon {coupon_id}.")


def _accepted(accepted: IssueRequest, status: int) -> RawResponse:
    view = view_request(accepted)
    headers = {"location": f"/issue-requests/{view['id']}"}
    if not accepted.is_final:
        headers["retry-after"] = retry_after()
    return raw_json_response(view, status, headers)


def _not_open(coupon_id: int, opens_at_us: int | None) -> Problem:
    """Says when it opens, and in the last minutes before with Retry-After in how many seconds."""
    kind, what = _REFUSALS[Refusal.NOT_OPEN]
    detail, reason = f"Coupon {coupon_id} {what}.", str(Refusal.NOT_OPEN)
    if opens_at_us is None:
        return Problem(kind, detail, reason=reason)
    headers = {}
    seconds = opens_at_us / 1_000_000 - time()
    if seconds <= NEAR_SECONDS:
        headers["Retry-After"] = str(max(1, ceil(seconds)) + int(retry_after()) - 1)
    return Problem(kind, detail, headers, reason=reason, opens_at=rfc3339_of(opens_at_us))


def _not_accepted(claim: Claim, verdict: Refusal | GateState | ClaimFailure) -> Problem:
    if isinstance(verdict, Refusal):
        kind, what = _REFUSALS[verdict]
        return Problem(kind, f"Coupon {claim.coupon_id} {what}.", reason=str(verdict))
    if isinstance(verdict, GateState):
        what = f"The gate of coupon {claim.coupon_id} is closed until it is rebuilt"
        return Problem(ProblemType.GATE_CLOSED, _claim_again(what))
    if verdict is ClaimFailure.OUTCOME_UNKNOWN:
        return _unsettled(str(request_id(claim.coupon_id, claim.user_id)))
    if verdict is ClaimFailure.GATE_UNAVAILABLE:
        return _unanswered(str(request_id(claim.coupon_id, claim.user_id)))
    kind = _TROUBLES[verdict]
    return Problem(kind, _claim_again(kind.value.title))


def _claim_again(what: str) -> str:
    return f"{what}: nothing was accepted. Claim again."


def _unanswered(possible: str) -> Problem:
    return Problem(
        ProblemType.GATE_UNAVAILABLE,
        "Redis cannot be used now: the claim may have been admitted, and becomes a request then."
        " Claim again, which is harmless, or read the request later.",
        {"Location": f"/issue-requests/{possible}"},
        request_id=possible,
    )


def _unsettled(pending: str) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        "Postgres did not say whether it accepted the claim. It will be settled: read the request,"
        " or claim again, which is harmless.",
        {"Location": f"/issue-requests/{pending}"},
        request_id=pending,
    )
