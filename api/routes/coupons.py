"""Administration of coupons, and reading one."""

import logging
from typing import Any

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, Authenticator
from api.bodies import CouponChange, NewCoupon, read_body
from api.openapi_parts import (
    BODY_PROBLEMS,
    COUPON_ID,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.problems import Problem, ProblemType
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import (
    id_taken,
    log_fields,
    maybe_changed,
    maybe_created,
    no_such_coupon,
    writing,
)
from api.schemas import CouponView, view_coupon
from coupons.errors import NotThere, RedisUnavailable
from coupons.gate import Gate, open_coupon
from coupons.gate.changes import STATES, CouponClosed, change_in_ledger, define_at_gate
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.coupons import create_coupon, find_coupon
from coupons.model import Coupon

log = logging.getLogger(__name__)


class CouponRoutes:
    """POST /coupons; GET and PATCH /coupons/{id}; POST /coupons/{id}/pause, resume and close."""

    def __init__(self, authenticator: Authenticator, gate: Gate, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "POST /coupons": self.create,
            "GET /coupons/<coupon_id:coupon_id>": self.read,
            "PATCH /coupons/<coupon_id:coupon_id>": self.change,
            "POST /coupons/<coupon_id:coupon_id>/<any(pause, resume, close):action>": self.act,
        }
        return blueprint_of("coupons", views)

    def create(self) -> RawResponse:
        """201 once it is in the ledger. If Redis is down, the reconciler opens it later."""
        who = self._administrator()
        wanted = read_body(request, NewCoupon).model_dump()
        coupon_id = wanted.pop("id")
        with writing(maybe_created(coupon_id)), pooled(self._pool) as connection:
            coupon = create_coupon(connection, coupon_id=coupon_id, acted_by=who, **wanted)
        if coupon is None:
            raise id_taken(coupon_id)
        self._open(coupon)
        return self._response(coupon, 201, {"location": f"/coupons/{coupon.coupon_id}"})

    def read(self, coupon_id: int) -> RawResponse:
        """The coupon, for everybody with a token."""
        self._authenticator.caller(request)
        with pooled(self._pool) as connection:
            coupon = find_coupon(connection, coupon_id)
        if coupon is None:
            raise no_such_coupon(coupon_id)
        return self._response(coupon)

    def change(self, coupon_id: int) -> RawResponse:
        """Change name, stock, window or group."""
        who = self._administrator()
        return self._after_change(coupon_id, read_body(request, CouponChange).given(), who)

    def act(self, coupon_id: int, action: str) -> RawResponse:
        """Pause, resume or close; repeating it changes nothing."""
        who = self._administrator()
        return self._after_change(coupon_id, {"state": STATES[action]}, who)

    def _administrator(self) -> str:
        """The caller, as the audit trail names them."""
        return f"user {self._authenticator.caller(request, ADMIN).user_id}"

    def _after_change(self, coupon_id: int, changes: dict[str, Any], who: str) -> RawResponse:
        """200 once ledger and gate have the change; 202 when the gate gets it later."""
        try:
            with writing(maybe_changed(coupon_id)), pooled(self._pool) as connection:
                coupon = change_in_ledger(connection, coupon_id, changes, who)
        except NotThere:
            raise no_such_coupon(coupon_id) from None
        except CouponClosed as error:
            raise Problem(ProblemType.CLOSED, str(error)) from None
        at_gate = define_at_gate(self._gate, coupon, log_fields(coupon_id))
        return self._response(coupon, 200 if at_gate else 202)

    def _open(self, coupon: Coupon) -> None:
        # After the commit nothing may raise: the client would think that it was not done.
        extra = log_fields(coupon.coupon_id)
        try:
            if not open_coupon(self._gate, coupon):
                log.warning("the gate has a newer epoch of this coupon; not opened", extra=extra)
        except RedisUnavailable as error:
            log.warning("%s; not opened yet", error, extra=extra)
        except Exception:
            log.exception("not opened yet; the reconciler will do it", extra=extra)

    def _response(
        self, coupon: Coupon, status: int = 200, headers: dict[str, str] | None = None
    ) -> RawResponse:
        try:
            figures = self._gate.figures([coupon.coupon_id])[0]
        except RedisUnavailable:
            figures = None
        except Exception:
            log.exception("the gate's figures cannot be read", extra=log_fields(coupon.coupon_id))
            figures = None
        places_left = None if figures is None else figures.places_left
        return json_response(view_coupon(coupon, places_left), status, headers)


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    paths: dict[str, Any] = {
        "/coupons": {"post": _describe_create()},
        "/coupons/{id}": {
            "parameters": [COUPON_ID],
            "get": operation(
                "readCoupon",
                "Read a coupon",
                {"200": response("The coupon", CouponView)},
                (ProblemType.NOT_FOUND, *READ_PROBLEMS),
            ),
            "patch": _describe_change(),
        },
    }
    for action in STATES:
        path = f"/coupons/{{id}}/{action}"
        paths[path] = {"parameters": [COUPON_ID], "post": _describe_action(action)}
    return DocumentPart(paths, bodies=(NewCoupon, CouponChange), views=(CouponView,))


def _describe_create() -> dict[str, Any]:
    created = {"201": response("Created", CouponView, "Location")}
    kinds = (*BODY_PROBLEMS, ProblemType.ID_TAKEN, *WRITE_PROBLEMS)
    return operation("createCoupon", "Create a coupon", created, kinds, scope=ADMIN, body=NewCoupon)


def _describe_change() -> dict[str, Any]:
    kinds = (
        *BODY_PROBLEMS,
        ProblemType.NOT_FOUND,
        ProblemType.CLOSED,
        ProblemType.STOCK_BELOW_ISSUED,
        *WRITE_PROBLEMS,
    )
    return operation(
        "changeCoupon", "Change a coupon", _changed(), kinds, scope=ADMIN, body=CouponChange
    )


def _describe_action(action: str) -> dict[str, Any]:
    # Closing twice is the same as closing once.
    closed = () if action == "close" else (ProblemType.CLOSED,)
    kinds = (ProblemType.NOT_FOUND, *closed, *WRITE_PROBLEMS)
    summary = f"{action.capitalize()} a coupon"
    return operation(f"{action}Coupon", summary, _changed(), kinds, scope=ADMIN)


def _changed() -> dict[str, Any]:
    later = "Changed in the ledger; the gate does not have the change yet and gets it later"
    return {
        "200": response("The coupon as changed", CouponView),
        "202": response(later, CouponView),
    }
