"""Issue requests: status, with long poll."""

from uuid import UUID

from flask import Blueprint, request

from api.answers import Answer, json_answer
from api.authentication import ADMIN, OPS, Authenticator
from api.bodies import StatusQuery, read_query
from api.problems import RETRY_AFTER_SECONDS, Kind, Problem
from api.statuses import Key, Statuses
from api.views import view_request
from api.waiting_room import Full, WaitingRoom
from coupons.ids import parse_request_id
from coupons.model import IssueRequest


class IssueRequestRoutes:
    """GET /issue-requests/{id}."""

    def __init__(self, authenticator: Authenticator, statuses: Statuses, room: WaitingRoom) -> None:
        self._authenticator = authenticator
        self._statuses = statuses
        self._room = room

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("issue_requests", __name__)
        routes.get("/issue-requests/<uuid:given_id>")(self.read)
        return routes

    def read(self, given_id: UUID) -> Answer:
        """The request, to its user and to operators; anybody else hears 404."""
        caller = self._authenticator.caller(request)
        wait_seconds = read_query(request, StatusQuery).wait
        key = _key(given_id)
        may_read = key is not None and (
            caller.user_id == key[1] or not caller.scopes.isdisjoint((OPS, ADMIN))
        )
        found = self._find(key, wait_seconds) if key is not None and may_read else None
        if found is None:
            raise Problem(Kind.NOT_FOUND, f"You have no issue request {given_id}.")
        headers = {} if found.is_final else {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return json_answer(view_request(found), headers=headers)

    def _find(self, key: Key, wait_seconds: float) -> IssueRequest | None:
        if not wait_seconds:
            return self._statuses.find([key]).get(key)
        try:
            with self._room.seat(key) as seat:
                found = self._statuses.find([key]).get(key)
                if found is None or found.is_final:
                    return found
                return seat.wait(wait_seconds) or found
        except Full:
            return self._statuses.find([key]).get(key)


def _key(given_id: UUID) -> Key | None:
    try:
        return parse_request_id(str(given_id))
    except ValueError:
        return None
