"""Claims: the hot path."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from flask import Blueprint, request

from api.answers import Reply, json_reply
from api.authentication import ISSUE, Authenticator
from api.claims import Accepted, Trouble, Verdict
from api.problems import RETRY_AFTER_SECONDS, Kind, Problem
from api.views import view_request
from api.write_batcher import NoAnswer, NotReached, WriteBatcher
from coupons.errors import CouponUnreadable
from coupons.ids import request_id
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.coupons import find_coupon
from coupons.model import Claim, GateClosed, IssueRequest, Refusal

_REFUSALS = {
    Refusal.NOT_OPEN: (Kind.NOT_OPEN, "is not open yet; claim it once it opens"),
    Refusal.CLOSED: (Kind.CLOSED, "is closed; it cannot be claimed any more"),
    Refusal.PAUSED: (Kind.PAUSED, "is paused; claim it later"),
    Refusal.SOLD_OUT: (Kind.SOLD_OUT, "has no place left"),
    Refusal.NOT_ELIGIBLE: (Kind.NOT_ELIGIBLE, "is for a group that you are not in"),
}
_TROUBLES = {
    Trouble.GATE_UNAVAILABLE: Kind.GATE_UNAVAILABLE,
    Trouble.LEDGER_UNAVAILABLE: Kind.LEDGER_UNAVAILABLE,
    Trouble.EPOCH_OVER: Kind.GATE_CLOSED,
}


class ClaimRoutes:
    """POST /coupons/{id}/issue-requests."""

    def __init__(
        self,
        authenticator: Authenticator,
        batcher: WriteBatcher[Claim, Verdict],
        pool: LedgerPool,
    ) -> None:
        self._authenticator = authenticator
        self._batcher = batcher
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("claims", __name__)
        routes.post("/coupons/<coupon_id:coupon_id>/issue-requests")(
            self.claim  # type: ignore[type-var]  # RsgiApp takes coroutines of replies
        )
        return routes

    def claim(self, coupon_id: int) -> Coroutine[Any, Any, Reply]:
        """202 when the request is a committed row; 200 when it was one before."""
        caller = self._authenticator.caller(request, ISSUE)
        return self._decided(Claim(coupon_id, caller.user_id, caller.groups))

    async def _decided(self, claim: Claim) -> Reply:
        try:
            verdict = await self._batcher.submit(claim)
        except NotReached:
            raise Problem(Kind.OVERLOADED, _claim_again("The claim was not reached")) from None
        except NoAnswer:
            verdict = Trouble.OUTCOME_UNKNOWN
        if isinstance(verdict, Accepted):
            return _accepted(verdict.request, 200 if verdict.repeated else 202)
        if isinstance(verdict, IssueRequest):
            return _accepted(verdict, 200)
        if verdict is GateClosed.MISSING:
            await asyncio.to_thread(self._check_exists, claim.coupon_id)
        raise _not_accepted(claim, verdict)

    def _check_exists(self, coupon_id: int) -> None:
        # One whose row cannot be read exists, and its gate stays closed.
        with suppress(CouponUnreadable), pooled(self._pool) as connection:
            if find_coupon(connection, coupon_id) is None:
                raise Problem(Kind.NOT_FOUND, f"There is no coupon {coupon_id}.")


def _accepted(accepted: IssueRequest, status: int) -> Reply:
    view = view_request(accepted)
    headers = {"location": f"/issue-requests/{view['id']}"}
    if not accepted.is_final:
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return json_reply(view, status, headers)


def _not_accepted(claim: Claim, verdict: Refusal | GateClosed | Trouble) -> Problem:
    if isinstance(verdict, Refusal):
        kind, what = _REFUSALS[verdict]
        return Problem(kind, f"Coupon {claim.coupon_id} {what}.", reason=str(verdict))
    if isinstance(verdict, GateClosed):
        what = f"The gate of coupon {claim.coupon_id} is closed until it is rebuilt"
        return Problem(Kind.GATE_CLOSED, _claim_again(what))
    if verdict is Trouble.OUTCOME_UNKNOWN:
        return _unsettled(str(request_id(claim.coupon_id, claim.user_id)))
    if verdict is Trouble.GATE_UNAVAILABLE:
        return _unanswered(str(request_id(claim.coupon_id, claim.user_id)))
    kind = _TROUBLES[verdict]
    return Problem(kind, _claim_again(kind.value.title))


def _claim_again(what: str) -> str:
    return f"{what}: nothing was accepted. Claim again."


def _unanswered(possible: str) -> Problem:
    return Problem(
        Kind.GATE_UNAVAILABLE,
        "Redis did not answer: the claim may have been admitted, and becomes a request then. Claim"
        " again, which is harmless, or read the request later.",
        {"Location": f"/issue-requests/{possible}"},
        request_id=possible,
    )


def _unsettled(pending: str) -> Problem:
    return Problem(
        Kind.OUTCOME_UNKNOWN,
        "Postgres was lost while it accepted the claim. It will be settled: read the request, or"
        " claim again, which is harmless.",
        {"Location": f"/issue-requests/{pending}"},
        request_id=pending,
    )
