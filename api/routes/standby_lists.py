"""The standby list of a coupon, for administrators: switch it on or off, and read its numbers."""

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, Authenticator
from api.bodies import StandbyChoice, read_body
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
from api.routes.coupon_problems import log_fields, maybe_changed, no_such_coupon, writing
from api.standby_schemas import StandbyListView, view_list
from coupons.gate import Gate
from coupons.gate.changes import define_at_gate
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.coupons import find_coupon
from coupons.ledger.standby import StandbyCounts, count_standby, set_standby_list
from coupons.model import Coupon, CouponState


class StandbyListRoutes:
    """GET and PUT /coupons/{id}/standby-list."""

    def __init__(self, authenticator: Authenticator, gate: Gate, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        path = "/coupons/<coupon_id:coupon_id>/standby-list"
        views: Views = {f"GET {path}": self.read, f"PUT {path}": self.switch}
        return blueprint_of("standby_lists", views)

    def read(self, coupon_id: int) -> RawResponse:
        """How many wait."""
        self._authenticator.caller(request, ADMIN)
        with pooled(self._pool) as connection:
            counts = count_standby(connection, coupon_id)
        return _shown(coupon_id, counts)

    def switch(self, coupon_id: int) -> RawResponse:
        """Switch it on or off; the same again changes nothing."""
        who = f"user {self._authenticator.caller(request, ADMIN).user_id}"
        is_on = read_body(request, StandbyChoice).is_on
        with writing(maybe_changed(coupon_id)), pooled(self._pool) as connection:
            done = set_standby_list(connection, coupon_id, is_on=is_on, acted_by=who)
            coupon = find_coupon(connection, coupon_id)
            counts = count_standby(connection, coupon_id)
        if not done or coupon is None:
            raise _refused(coupon_id, coupon)
        define_at_gate(self._gate, coupon, log_fields(coupon_id))
        return _shown(coupon_id, counts)


def _shown(coupon_id: int, counts: StandbyCounts | None) -> RawResponse:
    if counts is None:
        raise no_such_coupon(coupon_id)
    return json_response(view_list(coupon_id, counts))


def _refused(coupon_id: int, coupon: Coupon | None) -> Problem:
    if coupon is None:
        return no_such_coupon(coupon_id)
    if coupon.state is CouponState.DRAFT:
        return Problem(ProblemType.DRAFT, f"Coupon {coupon_id} is a draft: open it first.")
    return Problem(ProblemType.CLOSED, f"Coupon {coupon_id} is closed, which is final.")


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    shown = {"200": response("The standby list in numbers", StandbyListView)}
    read = operation(
        "readStandbyList",
        "Read how many wait for a coupon",
        shown,
        (ProblemType.NOT_FOUND, *READ_PROBLEMS),
        scope=ADMIN,
    )
    changing = (ProblemType.NOT_FOUND, ProblemType.DRAFT, ProblemType.CLOSED, *WRITE_PROBLEMS)
    switch = operation(
        "switchStandbyList",
        "Give a coupon a standby list, or take it away",
        shown,
        (*BODY_PROBLEMS, *changing),
        scope=ADMIN,
        body=StandbyChoice,
    )
    path = {"parameters": [COUPON_ID], "get": read, "put": switch}
    return DocumentPart(
        {"/coupons/{id}/standby-list": path}, bodies=(StandbyChoice,), views=(StandbyListView,)
    )
