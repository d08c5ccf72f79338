"""Why not me: the timeline of a user's request, or why a claim is refused now."""

from uuid import UUID

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, OPS, Authenticator
from api.openapi_parts import (
    COUPON_ID,
    READ_PROBLEMS,
    REQUEST_ID,
    DocumentPart,
    operation,
    response,
)
from api.problems import Problem, ProblemType
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import no_such_coupon
from api.routes.retired import gone_or
from api.timelines import TimelineView, read_story, view_timeline
from coupons.gate import Gate
from coupons.ids import parse_request_id
from coupons.ledger.connection import LedgerPool


class TimelineRoutes:
    """GET /coupons/{id}/issue-requests/me/timeline and /issue-requests/{id}/timeline."""

    def __init__(self, authenticator: Authenticator, gate: Gate, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "GET /coupons/<coupon_id:coupon_id>/issue-requests/me/timeline": self.read_own,
            "GET /issue-requests/<uuid:given_id>/timeline": self.read,
        }
        return blueprint_of("timelines", views)

    def read_own(self, coupon_id: int) -> RawResponse:
        """The caller's for this coupon, with or without a request; 404: no such coupon."""
        caller = self._authenticator.caller(request)
        story = read_story(self._pool, self._gate, coupon_id, caller.user_id, caller.groups)
        if story is None:
            raise no_such_coupon(coupon_id)
        return json_response(view_timeline(coupon_id, caller.user_id, story))

    def read(self, given_id: UUID) -> RawResponse:
        """The request's, for its user and for operators; 404: no such request."""
        caller = self._authenticator.caller(request)
        try:
            coupon_id, user_id = parse_request_id(str(given_id))
        except ValueError:
            raise _not_found(given_id) from None
        if caller.user_id != user_id and caller.scopes.isdisjoint((OPS, ADMIN)):
            raise _not_found(given_id)
        story = read_story(self._pool, self._gate, coupon_id, user_id)
        if story is None or story.request is None:
            raise gone_or(self._pool, coupon_id, _not_found(given_id))
        return json_response(view_timeline(coupon_id, user_id, story))


def _not_found(given_id: UUID) -> Problem:
    return Problem(ProblemType.NOT_FOUND, f"You have no issue request {given_id}.")


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    problems = (ProblemType.NOT_FOUND, *READ_PROBLEMS)
    own = operation(
        "readOwnTimeline",
        "What became of the user's claim, or why it is refused now",
        {"200": response("The timeline, with or without a request", TimelineView)},
        problems,
    )
    of_request = operation(
        "readTimeline",
        "What became of an issue request",
        {"200": response("The timeline", TimelineView)},
        (ProblemType.RETIRED, *problems),
        callers=f"For its user, and for tokens with `{ADMIN}` or `{OPS}`.",
    )
    paths = {
        "/coupons/{id}/issue-requests/me/timeline": {"parameters": [COUPON_ID], "get": own},
        "/issue-requests/{id}/timeline": {"parameters": [REQUEST_ID], "get": of_request},
    }
    return DocumentPart(paths, views=(TimelineView,))
