"""Waiting for a coupon that is sold out: join the line, read the own entry, leave."""

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ISSUE, Authenticator
from api.openapi_links import links_to
from api.openapi_parts import (
    COUPON_ID,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.problems import Problem, ProblemType
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import log_fields, no_such_coupon, writing
from api.standby_schemas import StandbyEntryView, view_entry
from coupons.gate import Gate
from coupons.gate.changes import define_at_gate
from coupons.ids import request_id
from coupons.ledger.audiences import is_listed
from coupons.ledger.connection import Connection, LedgerPool, pooled, translated
from coupons.ledger.coupons import find_coupon
from coupons.ledger.standby import (
    EntryState,
    Joining,
    StandbyEntry,
    end_standby_entries,
    find_standby_entry,
    hold_standby_entry,
    join_standby,
)
from coupons.model import GateState

_REFUSALS = {
    Joining.NO_LIST: (ProblemType.NO_STANDBY_LIST, "has no standby list"),
    Joining.NOT_OPEN: (ProblemType.NOT_OPEN, "is not open yet"),
    Joining.PAUSED: (ProblemType.PAUSED, "is paused; join later"),
    Joining.CLOSED: (ProblemType.CLOSED, "is closed: nothing comes back any more"),
    Joining.NOT_ELIGIBLE: (
        ProblemType.NOT_ELIGIBLE,
        "is for a group or list that you are not in",
    ),
    Joining.NOT_SOLD_OUT: (ProblemType.NOT_SOLD_OUT, "is not sold out; claim it"),
}


class StandbyRoutes:
    """POST, GET and DELETE /coupons/{id}/standby."""

    def __init__(self, authenticator: Authenticator, gate: Gate, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        path = "/coupons/<coupon_id:coupon_id>/standby"
        views: Views = {
            f"POST {path}": self.join_line,
            f"GET {path}": self.read_line,
            f"DELETE {path}": self.leave_line,
        }
        return blueprint_of("standby", views)

    def join_line(self, coupon_id: int) -> RawResponse:
        """201 when the user waits now; 200 when they waited already."""
        caller = self._authenticator.caller(request, ISSUE)
        [figures] = self._gate.figures([coupon_id])
        is_known = figures is not None and figures.state is GateState.OPEN
        is_sold_out = figures is not None and is_known and not figures.places_left
        with writing(_maybe_done(coupon_id)), pooled(self._pool) as connection:
            coupon = find_coupon(connection, coupon_id)
            if coupon is None or not coupon.is_shown_to(caller.groups):
                raise no_such_coupon(coupon_id)
            if not is_listed(connection, coupon_id, caller.user_id):
                raise _refused(Joining.NOT_ELIGIBLE, coupon_id, caller.user_id)
            joined = join_standby(
                connection, caller.user_id, coupon_id, caller.groups, is_sold_out=is_sold_out
            )
            if joined is Joining.NOT_SOLD_OUT and not is_known:
                says = f"The gate is unavailable for coupon {coupon_id}: nothing was done."
                raise Problem(ProblemType.GATE_CLOSED, says)
            if joined not in (Joining.JOINED, Joining.FIRST, Joining.WAITING):
                raise _refused(joined, coupon_id, caller.user_id)
            if joined is Joining.FIRST:
                self._close_to_others(connection, coupon_id)
            entry = find_standby_entry(connection, caller.user_id, coupon_id)
        view = view_entry(coupon_id, caller.user_id, _known(entry, coupon_id))
        return json_response(view, 200 if joined is Joining.WAITING else 201)

    def read_line(self, coupon_id: int) -> RawResponse:
        """The user's entry, or what became of it; 404: they never waited."""
        caller = self._authenticator.caller(request)
        with pooled(self._pool) as connection:
            entry = find_standby_entry(connection, caller.user_id, coupon_id)
        return json_response(view_entry(coupon_id, caller.user_id, _known(entry, coupon_id)))

    def leave_line(self, coupon_id: int) -> RawResponse:
        """200 when the user does not wait any more."""
        caller = self._authenticator.caller(request, ISSUE)
        with writing(_maybe_done(coupon_id)), pooled(self._pool) as connection:
            self._leave(connection, coupon_id, caller.user_id)
            entry = find_standby_entry(connection, caller.user_id, coupon_id)
        return json_response(view_entry(coupon_id, caller.user_id, _known(entry, coupon_id)))

    def _leave(self, connection: Connection, coupon_id: int, user_id: int) -> None:
        """Raises Problem when the user is promoted already."""
        with translated(connection), connection.transaction():
            state = hold_standby_entry(connection, user_id, coupon_id)
            if state is EntryState.PROMOTED:
                raise _refused(Joining.REQUESTED, coupon_id, user_id)
            if state is not EntryState.WAITING:
                return
            # A promotion that was cut off may have admitted the user; it will be ended.
            found = self._gate.read(coupon_id, [user_id])
            if not isinstance(found, GateState) and found[0] is not None:
                raise _refused(Joining.REQUESTED, coupon_id, user_id)
            end_standby_entries(connection, coupon_id, [user_id], EntryState.LEFT)

    def _close_to_others(self, connection: Connection, coupon_id: int) -> None:
        """The gate admits nobody from now on: what comes back is for the line."""
        coupon = find_coupon(connection, coupon_id)
        if coupon is not None:
            define_at_gate(self._gate, coupon, log_fields(coupon_id))


def _known(entry: StandbyEntry | None, coupon_id: int) -> StandbyEntry:
    if entry is None:
        says = f"You are not on the standby list of coupon {coupon_id}."
        raise Problem(ProblemType.NOT_FOUND, says)
    return entry


def _refused(why: Joining, coupon_id: int, user_id: int) -> Problem:
    if why is Joining.NO_COUPON:
        return no_such_coupon(coupon_id)
    if why is Joining.REQUESTED:
        known = str(request_id(coupon_id, user_id))
        says = f"You have a request for coupon {coupon_id} already: read it."
        location = {"location": f"/issue-requests/{known}"}
        return Problem(ProblemType.REQUESTED, says, location, request_id=known)
    kind, what = _REFUSALS[why]
    return Problem(kind, f"Coupon {coupon_id} {what}.")


def _maybe_done(coupon_id: int) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        "Postgres did not answer in time. It may have been done. Repeat the call, which is"
        " harmless.",
        {"location": f"/coupons/{coupon_id}/standby"},
    )


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    links = links_to("readLine", "leaveLine", id="$request.path.id")
    shown = response("Where the user is in the line", StandbyEntryView)
    join = operation(
        "joinLine",
        "Wait for a coupon that is sold out",
        {
            "201": response("The user waits now", StandbyEntryView, links=links),
            "200": response("The user waited already", StandbyEntryView, links=links),
        },
        (
            *(
                ProblemType.NOT_FOUND,
                ProblemType.REQUESTED,
                *(kind for kind, _ in _REFUSALS.values()),
            ),
            *(ProblemType.GATE_CLOSED, ProblemType.GATE_UNAVAILABLE, *WRITE_PROBLEMS),
        ),
        scope=ISSUE,
    )
    read = operation(
        "readLine",
        "Read where one is in the line, or what became of it",
        {"200": shown},
        (ProblemType.NOT_FOUND, *READ_PROBLEMS),
    )
    leave = operation(
        "leaveLine",
        "Wait no more",
        {"200": response("The user does not wait any more", StandbyEntryView)},
        (
            *(ProblemType.NOT_FOUND, ProblemType.REQUESTED),
            *(ProblemType.GATE_UNAVAILABLE, *WRITE_PROBLEMS),
        ),
        scope=ISSUE,
    )
    path = {"parameters": [COUPON_ID], "post": join, "get": read, "delete": leave}
    return DocumentPart({"/coupons/{id}/standby": path}, views=(StandbyEntryView,))
