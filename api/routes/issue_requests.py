"""Issue requests: status, with long poll."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import Blueprint, request

from api.app import Views, blueprint_of, in_event_loop
from api.authentication import ADMIN, OPS, Authenticator
from api.bodies import read_query
from api.estimates import Estimates
from api.long_polls import LongPollHub
from api.openapi_links import issued_coupon_links
from api.openapi_parts import (
    READ_PROBLEMS,
    REQUEST_ID,
    DocumentPart,
    number_query,
    operation,
    response,
)
from api.problems import Problem, ProblemType, retry_after
from api.queries import LONGEST_WAIT_SECONDS, StatusQuery
from api.responses import RawResponse, json_response
from api.routes.retired import gone_or
from api.schemas import IssueRequestView, view_request
from api.statuses import Key
from coupons.ids import parse_request_id
from coupons.ledger.connection import LedgerPool

ESTIMATE_SECONDS = 0.5


class IssueRequestRoutes:
    """GET /issue-requests/{id}."""

    def __init__(
        self,
        authenticator: Authenticator,
        long_polls: LongPollHub,
        estimates: Estimates,
        pool: LedgerPool,
    ) -> None:
        self._authenticator = authenticator
        self._long_polls = long_polls
        self._estimates = estimates
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "GET /issue-requests/<uuid:given_id>": self.read,
        }
        return blueprint_of("issue_requests", views)

    @in_event_loop
    def read(self, given_id: UUID) -> Coroutine[Any, Any, RawResponse]:
        """The request, for its user and for operators; 404 for everybody else."""
        caller = self._authenticator.caller(request)
        wait_seconds = read_query(request, StatusQuery).wait
        key = _key(given_id)
        if key is None or not (
            caller.user_id == key[1] or not caller.scopes.isdisjoint((OPS, ADMIN))
        ):
            raise _not_found(given_id)
        return self._response(given_id, key, wait_seconds)

    async def _response(self, given_id: UUID, key: Key, wait_seconds: float) -> RawResponse:
        found = await self._long_polls.wait(key, wait_seconds)
        if found is None:
            raise await asyncio.to_thread(gone_or, self._pool, key[0], _not_found(given_id))
        view = view_request(found)
        if found.is_final:
            return json_response(view)
        estimate = None
        with suppress(TimeoutError):  # Redis does not answer: the status itself has waited for it
            async with asyncio.timeout(ESTIMATE_SECONDS):
                estimate = await asyncio.to_thread(self._estimates.of, key)
        if estimate is not None:
            view["requests_ahead"] = estimate.ahead
            if estimate.seconds is not None:
                view["estimated_seconds"] = estimate.seconds
        return json_response(view, 200, {"retry-after": retry_after()})


def _not_found(given_id: UUID) -> Problem:
    return Problem(ProblemType.NOT_FOUND, f"You have no issue request {given_id}.")


def _key(given_id: UUID) -> Key | None:
    try:
        return parse_request_id(str(given_id))
    except ValueError:
        return None


def openapi_part() -> DocumentPart:
    """This route in the API's description."""
    text = "Seconds to wait for a final status; 0 if left out"
    wait = number_query("wait", "number", text, 0, LONGEST_WAIT_SECONDS)
    found = "The request; Retry-After while it is not final"
    links = issued_coupon_links("/issued_coupon_id")
    read = operation(
        "readRequest",
        "Read an issue request",
        {"200": response(found, IssueRequestView, "Retry-After", links=links)},
        (ProblemType.NOT_FOUND, ProblemType.RETIRED, ProblemType.INVALID, *READ_PROBLEMS),
        callers=f"For its user, and for tokens with `{ADMIN}` or `{OPS}`.",
        query=[wait],
    )
    path = {"parameters": [REQUEST_ID], "get": read}
    return DocumentPart({"/issue-requests/{id}": path}, views=(IssueRequestView,))
