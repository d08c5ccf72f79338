"""The event stream of the calling user's requests."""

from collections.abc import Coroutine
from time import time
from typing import Any

from flask import Blueprint, request

from api.app import Views, blueprint_of, in_event_loop
from api.authentication import Authenticator
from api.event_streams import LONGEST_SECONDS, MOST_COUPONS, EventStreams
from api.openapi_parts import READ_PROBLEMS, DocumentPart, operation, response
from api.problems import ProblemType
from api.responses import StreamedResponse
from api.schemas import IssueRequestView

_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-accel-buffering": "no",  # a proxy that collects would hold the events back
}


class EventStreamRoutes:
    """GET /users/me/requests/events."""

    def __init__(self, authenticator: Authenticator, streams: EventStreams) -> None:
        self._authenticator = authenticator
        self._streams = streams

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "GET /users/me/requests/events": self.follow,
        }
        return blueprint_of("event_streams", views)

    @in_event_loop
    def follow(self) -> Coroutine[Any, Any, StreamedResponse]:
        """The stream, until the token expires at the latest."""
        caller = self._authenticator.caller(request)
        return self._response(caller.user_id, caller.expires_at - time())

    async def _response(self, user_id: int, seconds: float) -> StreamedResponse:
        chunks = await self._streams.begin(user_id, seconds)
        return StreamedResponse(200, list(_HEADERS.items()), chunks)


def openapi_part() -> DocumentPart:
    """This route in the API's description."""
    text = (
        "Server-Sent Events. Each event `request` has an IssueRequestView as JSON in `data`. First"
        f" comes the state of each request for the {MOST_COUPONS} coupons that started last, then"
        f" each change. Ends after {LONGEST_SECONDS:.0f} seconds, or when the token expires"
    )
    opened = response(text, IssueRequestView)
    opened["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    follow = operation(
        "followRequests",
        "Follow all requests of the user",
        {"200": opened},
        (ProblemType.OVERLOADED, *READ_PROBLEMS),
    )
    return DocumentPart({"/users/me/requests/events": {"get": follow}})
