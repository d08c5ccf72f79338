"""Administration of coupons, and reading one."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, request
from psycopg.errors import CheckViolation

from api.authentication import ADMIN, Authenticator
from api.bodies import CouponChange, NewCoupon, read_body
from api.problems import Problem, ProblemType
from api.request_ids import X_REQUEST_ID
from api.responses import JsonResponse, json_response
from api.schemas import view_coupon
from coupons.errors import GateUnavailable, OutcomeUnknown
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

    def create(self) -> JsonResponse:
        """201 once it is in the ledger; if the gate is away, the reconciler opens it later."""
        self._authenticator.caller(request, ADMIN)
        wanted = read_body(request, NewCoupon).model_dump()
        coupon_id = wanted.pop("id")
        with _write_explained(_maybe_created(coupon_id)), pooled(self._pool) as connection:
            coupon = create_coupon(connection, coupon_id=coupon_id, **wanted)
        if coupon is None:
            raise _id_taken(coupon_id)
        self._open(coupon)
        return self._shown(coupon, 201, {"Location": f"/coupons/{coupon.coupon_id}"})

    def read(self, coupon_id: int) -> JsonResponse:
        """The coupon, to everybody with a token."""
        self._authenticator.caller(request)
        with pooled(self._pool) as connection:
            coupon = find_coupon(connection, coupon_id)
        if coupon is None:
            raise _no_such_coupon(coupon_id)
        return self._shown(coupon)

    def change(self, coupon_id: int) -> JsonResponse:
        """Change name, stock, window or group."""
        self._authenticator.caller(request, ADMIN)
        return self._after_change(coupon_id, read_body(request, CouponChange).given())

    def act(self, coupon_id: int, action: str) -> JsonResponse:
        """Pause, resume or close; doing it twice is the same as once."""
        self._authenticator.caller(request, ADMIN)
        return self._after_change(coupon_id, {"state": _STATES[action]})

    def _after_change(self, coupon_id: int, changes: dict[str, Any]) -> JsonResponse:
        """200 once ledger and gate have it; 202 when the gate follows later."""
        coupon = self._changed(coupon_id, changes)
        return self._shown(coupon, 200 if self._define(coupon) else 202)

    # What follows a commit must not end in an error: the client would take it for not done.

    def _open(self, coupon: Coupon) -> None:
        extra = _about(coupon.coupon_id)
        try:
            if not open_coupon(self._gate, coupon):
                log.warning("the gate has another life of this coupon; not opened", extra=extra)
        except GateUnavailable as error:
            log.warning("%s; not opened yet", error, extra=extra)
        except Exception:
            log.exception("not opened yet: left to the reconciler", extra=extra)

    def _define(self, coupon: Coupon) -> bool:
        """Whether the gate was told."""
        extra = _about(coupon.coupon_id)
        try:
            self._gate.define(coupon)
            return True
        except GateUnavailable as error:
            log.warning("%s; the gate does not have the change yet", error, extra=extra)
        except Exception:
            log.exception("the gate does not have the change: left to the reconciler", extra=extra)
        return False

    def _changed(self, coupon_id: int, changes: dict[str, Any]) -> Coupon:
        with _write_explained(_maybe_changed(coupon_id)), pooled(self._pool) as connection:
            coupon = change_coupon(connection, coupon_id, **changes)
            if coupon is None:
                coupon = find_coupon(connection, coupon_id)
                if coupon is None:
                    raise _no_such_coupon(coupon_id)
                if changes != {"state": CouponState.CLOSED}:
                    raise Problem(
                        ProblemType.CLOSED, f"Coupon {coupon_id} is closed, which is final."
                    )
        return coupon

    def _shown(
        self, coupon: Coupon, status: int = 200, headers: dict[str, str] | None = None
    ) -> JsonResponse:
        try:
            figures = self._gate.figures([coupon.coupon_id])[0]
        except GateUnavailable:
            figures = None
        except Exception:
            log.exception("the gate's figures cannot be read", extra=_about(coupon.coupon_id))
            figures = None
        places_left = None if figures is None else figures.places_left
        return json_response(view_coupon(coupon, places_left), status, headers)


@contextmanager
def _write_explained(maybe_done: Problem) -> Iterator[None]:
    """Turn what ends a write to the coupon table into a Problem.

    maybe_done: raised when the connection was lost before the answer.
    """
    try:
        yield
    except OutcomeUnknown as error:
        log.warning("%s", error, extra=_about())
        raise maybe_done from error
    except CheckViolation as error:
        if error.diag.constraint_name == "coupon_never_oversold":
            raise Problem(
                ProblemType.STOCK_BELOW_ISSUED,
                "More coupons are issued already; the total can be lowered to that number.",
            ) from None
        if error.diag.constraint_name == "coupon_window_is_forward":
            message = "issue_ends_at must be later than issue_starts_at (left out: now)."
            named = [{"field": "issue_ends_at", "message": message}]
            raise Problem(ProblemType.INVALID, message, errors=named) from None
        raise


def _about(coupon_id: int | None = None) -> dict[str, object]:
    """What the log says of the request that is worked on."""
    about: dict[str, object] = {"x_request_id": request.environ[X_REQUEST_ID]}
    return about if coupon_id is None else {**about, "coupon_id": coupon_id}


def _id_taken(coupon_id: int | None) -> Problem:
    if coupon_id is None:
        return Problem(
            ProblemType.ID_TAKEN,
            "The next ids are all taken by coupons whose ids were chosen; choose one for this too.",
        )
    return Problem(ProblemType.ID_TAKEN, f"There is a coupon {coupon_id} already; take another id.")


def _maybe_created(coupon_id: int | None) -> Problem:
    which = "A coupon" if coupon_id is None else f"Coupon {coupon_id}"
    next_step = (
        "Repeating the call may create another one; choose an id to be able to tell."
        if coupon_id is None
        else "Repeat the call: if it was, the answer is id-taken."
    )
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time, or was lost. {which} may have been created. {next_step}",
        {} if coupon_id is None else {"Location": f"/coupons/{coupon_id}"},
    )


def _maybe_changed(coupon_id: int) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time, or was lost. Coupon {coupon_id} may have been changed."
        " Repeat the call, which is harmless.",
    )


def _no_such_coupon(coupon_id: int) -> Problem:
    return Problem(ProblemType.NOT_FOUND, f"There is no coupon {coupon_id}.")
