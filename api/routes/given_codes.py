"""The code of an issued coupon: for its user, and for a till that looks it up."""

from uuid import UUID

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, REDEEM, Authenticator
from api.issued_schemas import FoundCodeView, GivenCodeView, view_found_code
from api.openapi_links import issued_coupon_links, links_to
from api.openapi_parts import (
    READ_PROBLEMS,
    REQUEST_ID,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.problems import Problem, ProblemType
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import (
    coupon_and_user_of,
    no_such_issued_coupon,
    writing,
)
from api.routes.retired import gone_or
from coupons.codes import LONGEST_CODE, is_mistyped, key_of
from coupons.ledger.codes import CodesOutcome, find_code, give_code
from coupons.ledger.connection import LedgerPool, pooled

_REFUSED = {
    CodesOutcome.NONE: (
        ProblemType.NO_CODES,
        "This coupon has no codes: it is used without one.",
    ),
    CodesOutcome.EXHAUSTED: (
        ProblemType.CODES_EXHAUSTED,
        "No code is left in the pool of this coupon. Nothing was done: try again later.",
    ),
    CodesOutcome.EXPIRED: (
        ProblemType.EXPIRED,
        "The coupon has expired, and no code was given before.",
    ),
    CodesOutcome.REVOKED: (
        ProblemType.REVOKED,
        "The coupon was revoked, and no code was given before.",
    ),
}


class GivenCodeRoutes:
    """POST /issued-coupons/{id}/code; GET /codes/{code}."""

    def __init__(self, authenticator: Authenticator, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "POST /issued-coupons/<uuid:given_id>/code": self.give,
            "GET /codes/<code>": self.find,
        }
        return blueprint_of("given_codes", views)

    def give(self, given_id: UUID) -> RawResponse:
        """The code of the user's own coupon, the same each time; 404 for everybody else."""
        caller = self._authenticator.caller(request)
        coupon_id, user_id = coupon_and_user_of(given_id)
        if user_id != caller.user_id:
            raise no_such_issued_coupon(given_id)
        with writing(_maybe_given()), pooled(self._pool) as connection:
            outcome, code = give_code(connection, user_id, coupon_id)
        if outcome is CodesOutcome.NOT_FOUND:
            raise gone_or(self._pool, coupon_id, no_such_issued_coupon(given_id))
        if outcome in _REFUSED:
            raise Problem(*_REFUSED[outcome])
        body: GivenCodeView = {
            "code": code,
            "issued_coupon_id": str(given_id),
            "coupon_id": str(coupon_id),
        }
        return json_response(body)

    def find(self, code: str) -> RawResponse:
        """Whose code this is. A code whose check character is wrong is not searched."""
        self._authenticator.caller(request, REDEEM, ADMIN)
        key = key_of(code)
        if is_mistyped(key):
            raise Problem(
                ProblemType.NOT_FOUND,
                "There is no such code: a character is wrong, or two are swapped. Type it again.",
            )
        found = None
        if key.isascii() and key.isprintable() and len(key) <= LONGEST_CODE:
            with pooled(self._pool) as connection:
                found = find_code(connection, key)
        if found is None:
            raise Problem(ProblemType.NOT_FOUND, "There is no such code, or nobody has it.")
        return json_response(view_found_code(found))


def _maybe_given() -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        "Postgres did not answer in time. A code may have been given."
        " Repeat the call, which is harmless: it is the same code.",
    )


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    code = {
        "name": "code",
        "in": "path",
        "required": True,
        "description": "As it was typed: case, spaces and hyphens do not matter, nor O for 0, I or"
        " L for 1",
        "schema": {"type": "string", "minLength": 1, "maxLength": 256},
    }
    code_links = links_to("findCode", code="$response.body#/code")
    links = issued_coupon_links("/issued_coupon_id")
    give = operation(
        "giveCode",
        "The code of an issued coupon, the same each time",
        {"200": response("The code", GivenCodeView, links=code_links)},
        (
            ProblemType.NOT_FOUND,
            ProblemType.RETIRED,
            *(kind for kind, _ in _REFUSED.values()),
            *WRITE_PROBLEMS,
        ),
    )
    find = operation(
        "findCode",
        "Find the issued coupon of a code",
        {"200": response("The issued coupon", FoundCodeView, links=links)},
        (ProblemType.NOT_FOUND, *READ_PROBLEMS),
        scope=(REDEEM, ADMIN),
    )
    return DocumentPart(
        {
            "/issued-coupons/{id}/code": {"parameters": [REQUEST_ID], "post": give},
            "/codes/{code}": {"parameters": [code], "get": find},
        },
        views=(GivenCodeView, FoundCodeView),
    )
