"""Changes of an issued coupon: use it, cancel the use, revoke it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from uuid import UUID

from flask import Blueprint, Request, request

from api.app import Views, blueprint_of, in_event_loop
from api.authentication import ADMIN, REDEEM, Authenticator
from api.bodies import CouponUse, Revocation, receive_body
from api.change_writer import ChangeResult
from api.issued_schemas import IssuedCouponView, view_issued
from api.openapi_links import issued_coupon_links, use_links
from api.openapi_parts import (
    BODY_PROBLEMS,
    REQUEST_ID,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.problems import Problem, ProblemType
from api.request_body import current_request
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import coupon_and_user_of, no_such_issued_coupon
from api.routes.issued_coupons import issued_coupon_reader
from api.routes.retired import gone_or
from api.write_batcher import NoAnswer, NotReached
from coupons.errors import LedgerUnavailable, OutcomeUnknown
from coupons.ids import request_id
from coupons.ledger.connection import LedgerPool
from coupons.ledger.owned_coupons import Unchanged, WantedChange
from coupons.model import ChangeOutcome, IssuedChange

_MAY_USE = f"For its user, and for tokens with `{REDEEM}`."
_MAY_CANCEL = (
    f"For tokens with `{REDEEM}`. Its user may not: they could take a use back that a till relied"
    " on."
)
Pending = Coroutine[Any, Any, RawResponse]

_PAUSES_S = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
"""Between the attempts to change a coupon that another session has locked."""

_DONE = (ChangeOutcome.DONE, ChangeOutcome.REPEATED)
_REFUSALS = {
    ChangeOutcome.ACTIVE: (ProblemType.NOT_USED, "is not used: there is no use to cancel"),
    ChangeOutcome.USED: (ProblemType.USED, "is used by another order"),
    ChangeOutcome.OTHER_ORDER: (ProblemType.OTHER_ORDER, "is used by another order"),
    ChangeOutcome.ORDER_CANCELLED: (
        ProblemType.ORDER_CANCELLED,
        "was used by this order, which cancelled that; use another order reference",
    ),
    ChangeOutcome.EXPIRED: (ProblemType.EXPIRED, "has expired"),
    ChangeOutcome.REVOKED: (ProblemType.REVOKED, "is revoked"),
}


class IssuedChangeRoutes:
    """POST /issued-coupons/{id}/use, /cancel-use and /revoke.

    submit: makes a change, see WriteBatcher. is_full: whether it has more than it can make; then
    changes are refused before anything is done for them.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        pool: LedgerPool,
        submit: Callable[[WantedChange], asyncio.Future[ChangeResult]],
        is_full: Callable[[], bool],
    ) -> None:
        self._authenticator = authenticator
        self._pool = pool
        self._submit = submit
        self._is_full = is_full

    def blueprint(self) -> Blueprint:
        """The routes."""
        one = "/issued-coupons/<uuid:given_id>"
        views: Views = {
            f"POST {one}/use": self.use,
            f"POST {one}/cancel-use": self.cancel_use,
            f"POST {one}/revoke": self.revoke,
        }
        return blueprint_of("issued_changes", views)

    @in_event_loop
    def use(self, given_id: UUID) -> Pending:
        """200 when this order uses it, now or already."""
        return self._use(given_id, IssuedChange.USE)

    @in_event_loop
    def cancel_use(self, given_id: UUID) -> Pending:
        """200 when this order uses it no more."""
        return self._use(given_id, IssuedChange.CANCEL_USE)

    @in_event_loop
    def revoke(self, given_id: UUID) -> Pending:
        """200 when nobody can use it any more. The first reason stays."""
        self._refuse_when_full()
        caller = self._authenticator.caller(request, ADMIN)
        coupon_id, user_id = coupon_and_user_of(given_id)
        wanted = WantedChange(user_id, coupon_id, IssuedChange.REVOKE, f"user {caller.user_id}")
        return self._revoked(current_request(), wanted)

    def _use(self, given_id: UUID, change: IssuedChange) -> Pending:
        self._refuse_when_full()
        caller, coupon_id, user_id = issued_coupon_reader(self._authenticator, given_id)
        who = f"user {caller.user_id}"
        if caller.user_id != user_id or change is IssuedChange.CANCEL_USE:
            self._authenticator.caller(request, REDEEM)
            who = f"{who} ({REDEEM})"
        return self._used(current_request(), WantedChange(user_id, coupon_id, change, who))

    async def _used(self, asked: Request, wanted: WantedChange) -> RawResponse:
        use = await receive_body(asked, CouponUse)
        return await self._changed(wanted._replace(order_reference=use.order_reference))

    async def _revoked(self, asked: Request, wanted: WantedChange) -> RawResponse:
        revocation = await receive_body(asked, Revocation)
        return await self._changed(wanted._replace(reason=revocation.reason))

    async def _changed(self, wanted: WantedChange) -> RawResponse:
        given_id = request_id(wanted.coupon_id, wanted.user_id)
        changed = await self._result(wanted)
        for pause_s in _PAUSES_S:
            if changed is not Unchanged.LOCKED:
                break
            await asyncio.sleep(pause_s)
            changed = await self._result(wanted)
        if isinstance(changed, NoAnswer | OutcomeUnknown):
            raise _maybe_changed(given_id)
        if isinstance(changed, Exception):
            raise changed
        if changed is Unchanged.LOCKED:
            kind = ProblemType.LEDGER_UNAVAILABLE
            raise Problem(kind, f"Issued coupon {given_id} is locked: nothing was changed.")
        if isinstance(changed, Unchanged):
            missing = no_such_issued_coupon(given_id)
            raise await asyncio.to_thread(gone_or, self._pool, wanted.coupon_id, missing)
        if changed.outcome not in _DONE:
            kind, what = _REFUSALS[changed.outcome]
            if wanted.change is IssuedChange.REVOKE and changed.outcome is ChangeOutcome.USED:
                what = "is used: who used it has to cancel that first"
            raise Problem(kind, f"Issued coupon {given_id} {what}.")
        return json_response(view_issued(changed.coupon))

    async def _result(self, wanted: WantedChange) -> ChangeResult:
        try:
            return await self._submit(wanted)
        except NotReached:
            return _overloaded("The change was not reached in time")
        except (NoAnswer, OutcomeUnknown, LedgerUnavailable) as error:
            return error

    def _refuse_when_full(self) -> None:
        if self._is_full():
            raise _overloaded("Too many changes are waiting")


def _overloaded(what: str) -> Problem:
    return Problem(ProblemType.OVERLOADED, f"{what}: nothing was changed. Try again.")


def _maybe_changed(given_id: UUID) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time. Issued coupon {given_id} may have been changed."
        " Repeat the call with the same body, which is harmless.",
        {"location": f"/issued-coupons/{given_id}"},
    )


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    links = issued_coupon_links("/id")
    one = "/issued-coupons/{id}"
    paths: dict[str, Any] = {
        f"{one}/use": _describe_use(
            "useIssuedCoupon",
            "Use an issued coupon",
            _MAY_USE,
            "USED",
            "ORDER_CANCELLED",
            links=use_links(),
        ),
        f"{one}/cancel-use": _describe_use(
            "cancelUse", "Cancel the use", _MAY_CANCEL, "ACTIVE", "OTHER_ORDER", links=links
        ),
        f"{one}/revoke": _describe_change(
            "revokeIssuedCoupon",
            "Revoke an issued coupon",
            [ChangeOutcome.USED, ChangeOutcome.EXPIRED],
            links=links,
            body=Revocation,
            scope=ADMIN,
        ),
    }
    return DocumentPart(paths, bodies=(CouponUse, Revocation), views=(IssuedCouponView,))


def _describe_use(
    name: str, summary: str, callers: str, *refusals: str, links: Any
) -> dict[str, Any]:
    outcomes = [ChangeOutcome[each] for each in (*refusals, "EXPIRED", "REVOKED")]
    # Who may read it and may not use it gets a 403.
    extra = (ProblemType.INSUFFICIENT_SCOPE,)
    about: dict[str, Any] = {"body": CouponUse, "callers": callers}
    return _describe_change(name, summary, outcomes, extra, links=links, **about)


def _describe_change(
    name: str,
    summary: str,
    refusals: Iterable[ChangeOutcome],
    extra: tuple[ProblemType, ...] = (),
    *,
    links: Any,
    **about: Any,
) -> dict[str, Any]:
    text = "The issued coupon as changed, now or before"
    done = {"200": response(text, IssuedCouponView, links=links)}
    refused = [_REFUSALS[each][0] for each in refusals]
    missing = (ProblemType.NOT_FOUND, ProblemType.RETIRED)
    always = (*BODY_PROBLEMS, *missing, ProblemType.OVERLOADED, *WRITE_PROBLEMS)
    kinds = (*extra, *refused, *always)
    path = operation(name, summary, done, kinds, **about)
    return {"parameters": [REQUEST_ID], "post": path}
