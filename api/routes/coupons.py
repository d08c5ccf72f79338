"""Reading a coupon, and changing it."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, OPS, Authenticator
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
from coupons.errors import CouponError, NotThere
from coupons.gate import Gate
from coupons.gate.changes import (
    STATES,
    CouponArchived,
    CouponChanged,
    CouponClosed,
    CouponDraft,
    CouponInFlight,
    CouponNotClosed,
    archive_in_ledger,
    change_in_ledger,
    define_at_gate,
    open_draft_at_gate,
)
from coupons.ledger.admin_states import open_draft
from coupons.ledger.connection import Connection, LedgerPool, pooled
from coupons.ledger.coupon_actions import last_change_of
from coupons.ledger.coupon_pages import read_coupon
from coupons.model import Coupon

_REFUSED: dict[type[CouponError], ProblemType] = {
    CouponArchived: ProblemType.ARCHIVED,
    CouponClosed: ProblemType.CLOSED,
    CouponDraft: ProblemType.DRAFT,
    CouponInFlight: ProblemType.IN_FLIGHT,
    CouponNotClosed: ProblemType.NOT_CLOSED,
}


class CouponRoutes:
    """GET and PATCH /coupons/{id}; POST /coupons/{id}/pause, resume, close and archive."""

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
            "POST /coupons/<coupon_id:coupon_id>/archive": self.archive,
        }
        return blueprint_of("coupons", views)

    def read(self, coupon_id: int) -> RawResponse:
        """The coupon, for everybody with a token; drafts and rehearsals for staff only."""
        caller = self._authenticator.caller(request)
        with pooled(self._pool) as connection:
            coupon = read_coupon(connection, coupon_id)
        is_staff = not caller.scopes.isdisjoint((ADMIN, OPS))
        if coupon is None or not (is_staff or coupon.is_shown_to(caller.groups)):
            raise no_such_coupon(coupon_id)
        return self._responses.of(coupon)

    def change(self, coupon_id: int) -> RawResponse:
        """Change the version that the caller has seen; open it, if it is a draft."""
        who = self._administrator()
        seen = seen_versions(request, is_required=True)
        changes = read_body(request, CouponChange).given()
        opened = self._opened(coupon_id, who, seen) if "state" in changes else None
        return opened or self._change(coupon_id, changes, who, seen)

    def act(self, coupon_id: int, action: str) -> RawResponse:
        """Pause, resume or close; repeating it changes nothing."""
        who = self._administrator()
        seen = seen_versions(request, is_required=False)
        return self._change(coupon_id, {"state": STATES[action]}, who, seen)

    def archive(self, coupon_id: int) -> RawResponse:
        """Put away a closed coupon, for good; repeating it changes nothing."""
        who = self._administrator()
        seen = seen_versions(request, is_required=False)
        return self._after_change(
            coupon_id,
            lambda connection: archive_in_ledger(self._gate, connection, coupon_id, who, seen),
        )

    def _administrator(self) -> str:
        """The caller, as the audit trail names them."""
        return f"user {self._authenticator.caller(request, ADMIN).user_id}"

    def _opened(self, coupon_id: int, who: str, seen: list[int] | None) -> RawResponse | None:
        """The response once a draft is open; None: it is none."""
        with writing(maybe_changed(coupon_id)), pooled(self._pool) as connection:
            coupon = open_draft(connection, coupon_id, who, seen)
            if coupon is None:
                return None
            at_gate = open_draft_at_gate(self._gate, connection, coupon, log_fields(coupon_id))
        return self._responses.of(coupon, 200 if at_gate else 202)

    def _change(
        self, coupon_id: int, changes: dict[str, Any], who: str, seen: list[int] | None
    ) -> RawResponse:
        return self._after_change(
            coupon_id,
            lambda connection: change_in_ledger(connection, coupon_id, changes, who, seen),
        )

    def _after_change(self, coupon_id: int, change: Callable[[Connection], Coupon]) -> RawResponse:
        """200 once ledger and gate have the change; 202 when the gate gets it later."""
        try:
            with writing(maybe_changed(coupon_id)), pooled(self._pool) as connection:
                coupon = change(connection)
        except NotThere:
            raise no_such_coupon(coupon_id) from None
        except tuple(_REFUSED) as error:
            raise Problem(_REFUSED[type(error)], str(error)) from None
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
        # Closing twice is the same as closing once.
        also = () if action == "close" else (ProblemType.CLOSED,)
        described = _describe_action(action, (*also, ProblemType.ARCHIVED))
        paths[path] = {"parameters": [COUPON_ID], "post": described}
    archiving = _describe_action("archive", (ProblemType.NOT_CLOSED, ProblemType.IN_FLIGHT))
    paths["/coupons/{id}/archive"] = {"parameters": [COUPON_ID], "post": archiving}
    return DocumentPart(paths, bodies=(CouponChange,), views=(CouponView,))


def _describe_change() -> dict[str, Any]:
    kinds = (
        *BODY_PROBLEMS,
        ProblemType.NOT_FOUND,
        ProblemType.CLOSED,
        ProblemType.ARCHIVED,
        ProblemType.DRAFT,
        ProblemType.REHEARSAL,
        ProblemType.STOCK_BELOW_ISSUED,
        ProblemType.STOCK_BELOW_IN_FLIGHT,
        ProblemType.VALIDITY_SHORTENED,
        ProblemType.EXPIRED,
        ProblemType.PRECONDITION_FAILED,
        ProblemType.PRECONDITION_REQUIRED,
        *WRITE_PROBLEMS,
    )
    described = operation(
        "changeCoupon",
        "Change a coupon",
        _changed(),
        kinds,
        scope=ADMIN,
        body=CouponChange,
        headers=[IF_MATCH_REQUIRED],
    )
    content = described["requestBody"]["content"]
    content["application/merge-patch+json"] = content["application/json"]
    return described


def _describe_action(action: str, refusals: tuple[ProblemType, ...]) -> dict[str, Any]:
    kinds = (
        ProblemType.NOT_FOUND,
        *refusals,
        ProblemType.DRAFT,
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
