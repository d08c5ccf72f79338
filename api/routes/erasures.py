"""Erasures of users, for administrators."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Lock
from uuid import UUID

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, Authenticator
from api.fields import ID_PATTERN
from api.openapi_links import links_to
from api.openapi_parts import (
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.problems import Problem, ProblemType, retry_after
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import writing
from api.schemas import ErasureView, view_erasure
from coupons.gate import Gate
from coupons.gate.erasing import erase_user
from coupons.ledger.connection import Connection, LedgerPool, pooled
from coupons.ledger.erasures import UserInFlight, find_erasure
from coupons.ledger.exports_to_erase import count_exports_to_erase


class ErasureRoutes:
    """POST /users/{id}/erasures; GET /erasures/{id}.

    connect: makes a connection for one erasure. log_keeps: how long Kafka keeps a record.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        gate: Gate,
        pool: LedgerPool,
        connect: Callable[[], AbstractContextManager[Connection]],
        log_keeps: timedelta,
    ) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool
        self._connect = connect
        self._log_keeps = log_keeps
        self._running = Lock()

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "POST /users/<user_id:user_id>/erasures": self.erase,
            "GET /erasures/<uuid:erasure_id>": self.read,
        }
        return blueprint_of("erasures", views)

    def erase(self, user_id: int) -> RawResponse:
        """Erase the user; again: the same proof, while the ledger has the erased requests."""
        who = self._administrator()
        # They run one after the other in Postgres: a second one would only hold a connection.
        if not self._running.acquire(blocking=False):
            raise Problem(ProblemType.OVERLOADED, "Another user is being erased: try again.")
        try:
            with writing(_maybe_erased()), self._connect() as connection:
                erasure = erase_user(self._gate, connection, user_id, who, self._log_keeps)
                exports = count_exports_to_erase(connection, erasure.erasure_id)
        except UserInFlight as error:
            headers = {"retry-after": retry_after()}
            raise Problem(ProblemType.USER_IN_FLIGHT, str(error), headers) from None
        finally:
            self._running.release()
        headers = {"location": f"/erasures/{erasure.erasure_id}"}
        return json_response(view_erasure(erasure, exports), headers=headers)

    def read(self, erasure_id: UUID) -> RawResponse:
        """The proof."""
        self._administrator()
        with pooled(self._pool) as connection:
            erasure = find_erasure(connection, erasure_id)
            exports = count_exports_to_erase(connection, erasure_id)
        if erasure is None:
            raise Problem(ProblemType.NOT_FOUND, f"There is no erasure {erasure_id}.")
        return json_response(view_erasure(erasure, exports))

    def _administrator(self) -> str:
        """The caller, as the audit trail names them."""
        return f"user {self._authenticator.caller(request, ADMIN).user_id}"


def _maybe_erased() -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        "Postgres did not answer in time. The user may have been erased. Repeat the call, which is"
        " harmless.",
    )


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    user_id = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "A user's id, below 2^63 - 2^40",
        "schema": {"type": "string", "pattern": ID_PATTERN},
    }
    erasure_id = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The id of an erasure",
        "schema": {"type": "string", "format": "uuid"},
    }
    links = links_to("readErasure", id="$response.body#/id")
    erase = operation(
        "eraseUser",
        "Erase a user for good",
        {"200": response("Erased, and the proof", ErasureView, "Location", links=links)},
        (
            ProblemType.NOT_FOUND,
            ProblemType.USER_IN_FLIGHT,
            ProblemType.GATE_UNAVAILABLE,
            ProblemType.OVERLOADED,
            *WRITE_PROBLEMS,
        ),
        scope=ADMIN,
    )
    read = operation(
        "readErasure",
        "Read the proof of an erasure",
        {"200": response("The proof", ErasureView)},
        (ProblemType.NOT_FOUND, *READ_PROBLEMS),
        scope=ADMIN,
    )
    return DocumentPart(
        {
            "/users/{id}/erasures": {"parameters": [user_id], "post": erase},
            "/erasures/{id}": {"parameters": [erasure_id], "get": read},
        },
        views=(ErasureView,),
    )
