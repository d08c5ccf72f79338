"""Administration of coupons, and reading one."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, request
from psycopg.errors import CheckViolation

from api.answers import Answer, json_answer
from api.authentication import ADMIN, Authenticator
from api.bodies import CouponChange, NewCoupon, read_body
from api.problems import Kind, Problem
from api.views import view_coupon
from coupons.errors import GateUnavailable
from coupons.gate import Gate, open_coupon
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.coupons import change_coupon, create_coupon, find_coupon
from coupons.model import Coupon, CouponState

log = logging.getLogger(__name__)

_STATES = {
    "pause": CouponState.PAUSED,
    "resume": CouponState.OPEN,
    "close": CouponState.CLOSED,
}


class CouponRoutes:
    """POST /coupons; GET and PATCH /coupons/{id}; POST /coupons/{id}/pause, resume and close."""

    def __init__(self, authenticator: Authenticator, gate: Gate, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("coupons", __name__)
        routes.post("/coupons")(self.create)
        routes.get("/coupons/<coupon_id:coupon_id>")(self.read)
        routes.patch("/coupons/<coupon_id:coupon_id>")(self.change)
        routes.post("/coupons/<coupon_id:coupon_id>/<any(pause, resume, close):action>")(self.act)
        return routes

    def create(self) -> Answer:
        """201 once it is in the ledger; if the gate is away, the reconciler opens it later."""
        self._authenticator.caller(request, ADMIN)
        wanted = read_body(request, NewCoupon).model_dump()
        coupon_id = wanted.pop("id")
        with _constraints_explained(), pooled(self._pool) as connection:
            coupon = create_coupon(connection, coupon_id=coupon_id, **wanted)
        if coupon is None:
            raise Problem(Kind.ID_TAKEN, f"There is a coupon {coupon_id} already; take another id.")
        self._open(coupon)
        return self._shown(coupon, 201, {"Location": f"/coupons/{coupon.coupon_id}"})

    def read(self, coupon_id: int) -> Answer:
        """The coupon, to everybody with a token."""
        self._authenticator.caller(request)
        with pooled(self._pool) as connection:
            coupon = find_coupon(connection, coupon_id)
        if coupon is None:
            raise _no_such_coupon(coupon_id)
        return self._shown(coupon)

    def change(self, coupon_id: int) -> Answer:
        """Change name, stock or window."""
        self._authenticator.caller(request, ADMIN)
        return self._shown(self._changed(coupon_id, read_body(request, CouponChange).given()))

    def act(self, coupon_id: int, action: str) -> Answer:
        """Pause, resume or close; doing it twice is the same as once."""
        self._authenticator.caller(request, ADMIN)
        return self._shown(self._changed(coupon_id, {"state": _STATES[action]}))

    def _open(self, coupon: Coupon) -> None:
        named = {"coupon_id": coupon.coupon_id}
        try:
            if not open_coupon(self._gate, coupon):
                log.warning("the gate has another life of this coupon; not opened", extra=named)
        except GateUnavailable as error:
            log.warning("%s; not opened yet", error, extra=named)

    def _changed(self, coupon_id: int, changes: dict[str, Any]) -> Coupon:
        with _constraints_explained(), pooled(self._pool) as connection:
            coupon = change_coupon(connection, coupon_id, **changes)
            if coupon is None:
                coupon = find_coupon(connection, coupon_id)
                if coupon is None:
                    raise _no_such_coupon(coupon_id)
                if changes != {"state": CouponState.CLOSED}:
                    raise Problem(Kind.CLOSED, f"Coupon {coupon_id} is closed, which is final.")
        try:
            self._gate.define(coupon)
        except GateUnavailable as error:
            raise Problem(
                Kind.GATE_UNAVAILABLE,
                f"Coupon {coupon_id} is changed in the ledger, but the gate could not be told."
                " Repeat the call.",
            ) from error
        return coupon

    def _shown(
        self, coupon: Coupon, status: int = 200, headers: dict[str, str] | None = None
    ) -> Answer:
        try:
            figures = self._gate.figures([coupon.coupon_id])[0]
        except GateUnavailable:
            figures = None
        places_left = None if figures is None else figures.places_left
        return json_answer(view_coupon(coupon, places_left), status, headers)


@contextmanager
def _constraints_explained() -> Iterator[None]:
    """Turn a violated constraint of the coupon table into a Problem."""
    try:
        yield
    except CheckViolation as error:
        if error.diag.constraint_name == "coupon_never_oversold":
            raise Problem(
                Kind.STOCK_BELOW_ISSUED,
                "More coupons are issued already; the total can be lowered to that number.",
            ) from None
        if error.diag.constraint_name == "coupon_window_is_forward":
            raise Problem(
                Kind.INVALID, "issue_ends_at must be later than issue_starts_at (left out: now)."
            ) from None
        raise


def _no_such_coupon(coupon_id: int) -> Problem:
    return Problem(Kind.NOT_FOUND, f"There is no coupon {coupon_id}.")
