"""The waiting room of a coupon, for administrators: set it, take it away."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, OPS, Authenticator
from api.bodies import read_body
from api.openapi_links import coupon_links, links_to
from api.openapi_parts import (
    BODY_PROBLEMS,
    COUPON_ID,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.preconditions import IF_MATCH_REQUIRED, precondition_failed, seen_versions
from api.problems import Problem, ProblemType
from api.responses import RawResponse, json_response
from api.room_schemas import RoomSettingsView, view_lot
from api.room_terms import RoomSettings, view_room
from api.routes.coupon_problems import log_fields, maybe_changed, no_such_coupon, writing
from api.routes.coupon_responses import CouponResponses
from api.schemas import CouponView
from coupons.gate import Gate
from coupons.gate.changes import define_at_gate
from coupons.ledger.connection import Connection, LedgerPool, pooled
from coupons.ledger.coupon_actions import last_change_of
from coupons.ledger.coupon_pages import read_coupon
from coupons.ledger.waiting_rooms import RoomOutcome, read_lot, set_waiting_room
from coupons.model import Coupon, CouponState
from coupons.rooms import WaitingRoom

_REFUSED = {
    RoomOutcome.CLOSED: (ProblemType.CLOSED, "is closed, which is final"),
    RoomOutcome.ARCHIVED: (ProblemType.ARCHIVED, "is archived, which is final"),
    RoomOutcome.FIXED: (
        ProblemType.WAITING_ROOM_FIXED,
        "has opened, or its lot is drawn: it can only admit more a second, or have no waiting room",
    ),
}


class RoomSettingsRoutes:
    """GET, PUT and DELETE /coupons/{id}/waiting-room/settings."""

    def __init__(self, authenticator: Authenticator, gate: Gate, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool
        self._responses = CouponResponses(gate)

    def blueprint(self) -> Blueprint:
        """The routes."""
        path = "/coupons/<coupon_id:coupon_id>/waiting-room/settings"
        views: Views = {
            f"GET {path}": self.read,
            f"PUT {path}": self.put,
            f"DELETE {path}": self.delete,
        }
        return blueprint_of("room_settings", views)

    def read(self, coupon_id: int) -> RawResponse:
        """The room, and its lot once it is drawn, for everybody with a token; see `readCoupon`."""
        caller = self._authenticator.caller(request)
        with pooled(self._pool) as connection:
            coupon = read_coupon(connection, coupon_id)
            lot = read_lot(connection, coupon_id) if coupon and coupon.room else None
        is_staff = not caller.scopes.isdisjoint((ADMIN, OPS))
        if coupon is None or not (is_staff or coupon.is_shown_to(caller.groups)):
            raise no_such_coupon(coupon_id)
        body: RoomSettingsView = {"waiting_room": view_room(coupon.room), "lot": view_lot(lot)}
        return json_response(body)

    def put(self, coupon_id: int) -> RawResponse:
        """Set the room of the version that the caller has seen."""
        who, seen = self._administrator(), seen_versions(request, is_required=True)
        wanted = read_body(request, RoomSettings)
        return self._set(coupon_id, WaitingRoom(wanted.admits_per_second, wanted.order), who, seen)

    def delete(self, coupon_id: int) -> RawResponse:
        """Take it away: everybody may claim once the coupon is open."""
        who, seen = self._administrator(), seen_versions(request, is_required=True)
        return self._set(coupon_id, None, who, seen)

    def _administrator(self) -> str:
        return f"user {self._authenticator.caller(request, ADMIN).user_id}"

    def _set(
        self, coupon_id: int, room: WaitingRoom | None, who: str, seen: Sequence[int] | None
    ) -> RawResponse:
        """200 once ledger and gate have it; 202 when the gate gets it later."""
        with writing(maybe_changed(coupon_id)), pooled(self._pool) as connection:
            coupon = _set_in_ledger(connection, coupon_id, room, who, seen)
        if coupon.state is CouponState.DRAFT:
            return self._responses.of(coupon)
        at_gate = define_at_gate(self._gate, coupon, log_fields(coupon_id))
        return self._responses.of(coupon, 200 if at_gate else 202)


def _set_in_ledger(
    connection: Connection,
    coupon_id: int,
    room: WaitingRoom | None,
    who: str,
    seen: Sequence[int] | None,
) -> Coupon:
    """The coupon with the room. Raises Problem."""
    outcome = set_waiting_room(connection, coupon_id, room, who, seen)
    if outcome is RoomOutcome.CHANGED:
        raise precondition_failed(coupon_id, last_change_of(connection, coupon_id))
    if outcome in _REFUSED:
        kind, what = _REFUSED[outcome]
        raise Problem(kind, f"Coupon {coupon_id} {what}.")
    coupon = read_coupon(connection, coupon_id)
    if coupon is None:
        raise no_such_coupon(coupon_id)
    return coupon


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    kinds = (
        ProblemType.NOT_FOUND,
        *(kind for kind, _ in _REFUSED.values()),
        ProblemType.PRECONDITION_FAILED,
        ProblemType.PRECONDITION_REQUIRED,
        *WRITE_PROBLEMS,
    )
    later = (
        "Changed in the ledger, for good. The gate gets it by itself: nothing has to be repeated"
    )
    changed = {
        "200": response("The coupon as changed", CouponView, "ETag", links=coupon_links()),
        "202": response(later, CouponView, "ETag", links=coupon_links()),
    }
    item: dict[str, Any] = {
        "parameters": [COUPON_ID],
        "get": operation(
            "readWaitingRoom",
            "Read the settings of a waiting room, and its lot",
            {
                "200": response(
                    "The settings",
                    RoomSettingsView,
                    links=links_to("arrive", "readPosition", id="$request.path.id"),
                )
            },
            (ProblemType.NOT_FOUND, *READ_PROBLEMS),
        ),
        "put": operation(
            "setWaitingRoom",
            "Set the waiting room of a coupon, before it opens",
            changed,
            (*BODY_PROBLEMS, *kinds),
            scope=ADMIN,
            body=RoomSettings,
            headers=[IF_MATCH_REQUIRED],
        ),
        "delete": operation(
            "removeWaitingRoom",
            "Take the waiting room of a coupon away",
            changed,
            (ProblemType.INVALID, *kinds),
            scope=ADMIN,
            headers=[IF_MATCH_REQUIRED],
        ),
    }
    return DocumentPart(
        {"/coupons/{id}/waiting-room/settings": item},
        bodies=(RoomSettings,),
        views=(RoomSettingsView, CouponView),
    )
