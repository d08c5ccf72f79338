"""Reading a coupon, and changing it."""

from typing import Any

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, Authenticator
from api.bodies import CouponChange, read_body
from api.openapi_links import coupon_links
from api.openapi_parts import (
    BODY_PROBLEMS,
    COUPON_ID,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.preconditions import IF_MATCH, IF_MATCH_REQUIRED, precondition_failed, seen_versions
from api.problems import Problem, ProblemType
from api.responses import RawResponse
from api.routes.coupon_problems import log_fields, maybe_changed, no_such_coupon, writing
from api.routes.coupon_responses import CouponResponses
from api.schemas import CouponView
from coupons.errors import NotThere
from coupons.gate import Gate
from coupons.gate.changes import (
    STATES,
    CouponChanged,
    CouponClosed,
    change_in_ledger,
    define_at_gate,
)
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.coupon_actions import last_change_of
from coupons.ledger.coupon_pages import read_coupon


class CouponRoutes:
    """GET and PATCH /coupons/{id}; POST /coupons/{id}/pause, resume and close."""

    def __init__(self, authenticator: Authenticator, gate: Gate, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool
        self._responses = CouponResponses(gate)

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "GET /coupons/<coupon_id:coupon_id>": self.read,
            "PATCH /coupons/<coupon_id:coupon_id>": self.change,
            "POST /coupons/<coupon_id:coupon_id>/<any(pause, resume, close):action>": self.act,
        }
        return blueprint_of("coupons", views)

    def read(self, coupon_id: int) -> RawResponse:
        """The coupon, for everybody with a token."""
        self._authenticator.caller(request)
        with pooled(self._pool) as connection:
            coupon = read_coupon(connection, coupon_id)
        if coupon is None:
            raise no_such_coupon(coupon_id)
        return self._responses.of(coupon)

    def change(self, coupon_id: int) -> RawResponse:
        """Change name, stock, window, group or terms of the version that the caller has seen."""
        who = self._administrator()
        seen = seen_versions(request, is_required=True)
        return self._after_change(coupon_id, read_body(request, CouponChange).given(), who, seen)

    def act(self, coupon_id: int, action: str) -> RawResponse:
        """Pause, resume or close; repeating it changes nothing."""
        who = self._administrator()
        seen = seen_versions(request, is_required=False)
        return self._after_change(coupon_id, {"state": STATES[action]}, who, seen)

    def _administrator(self) -> str:
        """The caller, as the audit trail names them."""
        return f"user {self._authenticator.caller(request, ADMIN).user_id}"

    def _after_change(
        self, coupon_id: int, changes: dict[str, Any], who: str, seen: list[int] | None
    ) -> RawResponse:
        """200 once ledger and gate have the change; 202 when the gate gets it later."""
        try:
            with writing(maybe_changed(coupon_id)), pooled(self._pool) as connection:
                coupon = change_in_ledger(connection, coupon_id, changes, who, seen)
        except NotThere:
            raise no_such_coupon(coupon_id) from None
        except CouponClosed as error:
            raise Problem(ProblemType.CLOSED, str(error)) from None
        except CouponChanged:
            with pooled(self._pool) as connection:
                last = last_change_of(connection, coupon_id)
            raise precondition_failed(coupon_id, last) from None
        at_gate = define_at_gate(self._gate, coupon, log_fields(coupon_id))
        return self._responses.of(coupon, 200 if at_gate else 202)


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    paths: dict[str, Any] = {
        "/coupons/{id}": {
            "parameters": [COUPON_ID],
            "get": operation(
                "readCoupon",
                "Read a coupon",
                {"200": response("The coupon", CouponView, "ETag", links=coupon_links())},
                (ProblemType.NOT_FOUND, *READ_PROBLEMS),
            ),
            "patch": _describe_change(),
        },
    }
    for action in STATES:
        path = f"/coupons/{{id}}/{action}"
        paths[path] = {"parameters": [COUPON_ID], "post": _describe_action(action)}
    return DocumentPart(paths, bodies=(CouponChange,), views=(CouponView,))


def _describe_change() -> dict[str, Any]:
    kinds = (
        *BODY_PROBLEMS,
        ProblemType.NOT_FOUND,
        ProblemType.CLOSED,
        ProblemType.STOCK_BELOW_ISSUED,
        ProblemType.STOCK_BELOW_IN_FLIGHT,
        ProblemType.VALIDITY_SHORTENED,
        ProblemType.PRECONDITION_FAILED,
        ProblemType.PRECONDITION_REQUIRED,
        *WRITE_PROBLEMS,
    )
    return operation(
        "changeCoupon",
        "Change a coupon",
        _changed(),
        kinds,
        scope=ADMIN,
        body=CouponChange,
        headers=[IF_MATCH_REQUIRED],
    )


def _describe_action(action: str) -> dict[str, Any]:
    # Closing twice is the same as closing once.
    closed = () if action == "close" else (ProblemType.CLOSED,)
    kinds = (
        ProblemType.NOT_FOUND,
        *closed,
        ProblemType.PRECONDITION_FAILED,
        ProblemType.INVALID,
        *WRITE_PROBLEMS,
    )
    summary = f"{action.capitalize()} a coupon"
    name = f"{action}Coupon"
    return operation(name, summary, _changed(), kinds, scope=ADMIN, headers=[IF_MATCH])


def _changed() -> dict[str, Any]:
    later = (
        "Changed in the ledger, for good. The gate does not have it yet and gets it by itself:"
        " nothing has to be repeated"
    )
    return {
        "200": response("The coupon as changed", CouponView, "ETag", links=coupon_links()),
        "202": response(later, CouponView, "ETag", links=coupon_links()),
    }
