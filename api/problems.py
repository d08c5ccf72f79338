"""Errors as answers: application/problem+json (RFC 9457), each kind with a stable `type`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from random import random

from werkzeug.exceptions import HTTPException

from api.failures import FailureLog
from api.responses import JsonResponse, json_response
from coupons.errors import CouponError, GateUnavailable, LedgerUnavailable, OutcomeUnknown

log = logging.getLogger(__name__)

FAILURES = FailureLog()

TYPE_PREFIX = "urn:coupon-cdc:problem:"
INSTANCE_PREFIX = "urn:coupon-cdc:request:"
_RETRY_AFTER_SECONDS = ("1", "2", "3")


def retry_after() -> str:
    """Seconds to wait for a Retry-After header, drawn at random.

    Those who were turned away at the same moment would come back at the same moment.
    """
    return _RETRY_AFTER_SECONDS[int(random() * len(_RETRY_AFTER_SECONDS))]  # noqa: S311


@dataclass(frozen=True, slots=True)
class _Facts:
    name: str
    status: int
    title: str


class ProblemType(Enum):
    """Every kind of problem that the API answers with."""

    MALFORMED_JSON = _Facts("malformed-json", 400, "The body is not JSON")
    MALFORMED_REQUEST = _Facts("malformed-request", 400, "The request cannot be understood")
    UNAUTHENTICATED = _Facts("unauthenticated", 401, "A valid bearer token is needed")
    INSUFFICIENT_SCOPE = _Facts("insufficient-scope", 403, "The token does not allow this")
    NOT_ELIGIBLE = _Facts("not-eligible", 403, "The coupon is not for this user")
    NOT_FOUND = _Facts("not-found", 404, "There is no such thing")
    METHOD_NOT_ALLOWED = _Facts("method-not-allowed", 405, "The method does not apply here")
    BODY_TIMEOUT = _Facts("body-timeout", 408, "The body did not come in time")
    NOT_OPEN = _Facts("not-open", 409, "The coupon is not open yet")
    CLOSED = _Facts("closed", 409, "The coupon is closed")
    PAUSED = _Facts("paused", 409, "The coupon is paused")
    SOLD_OUT = _Facts("sold-out", 409, "Every coupon is taken")
    ID_TAKEN = _Facts("id-taken", 409, "The coupon id is taken")
    STOCK_BELOW_ISSUED = _Facts("stock-below-issued", 409, "More coupons are issued already")
    BODY_TOO_LARGE = _Facts("body-too-large", 413, "The body is too large")
    URI_TOO_LONG = _Facts("uri-too-long", 414, "The path or the query string is too long")
    NOT_JSON = _Facts("not-json", 415, "The body must be application/json")
    INVALID = _Facts("invalid", 422, "The request does not have the agreed form")
    HEADERS_TOO_LARGE = _Facts("headers-too-large", 431, "The headers are too large")
    INTERNAL = _Facts("internal", 500, "The API has failed")
    GATE_CLOSED = _Facts("gate-closed", 503, "The gate is closed")
    GATE_UNAVAILABLE = _Facts("gate-unavailable", 503, "Redis cannot be used now")
    LEDGER_UNAVAILABLE = _Facts("ledger-unavailable", 503, "Postgres cannot be used now")
    OUTCOME_UNKNOWN = _Facts("outcome-unknown", 503, "It may have been done")
    OVERLOADED = _Facts("overloaded", 503, "The API has more work than it can do in time")

    @property
    def type(self) -> str:
        """The URI that names this kind for ever."""
        return TYPE_PREFIX + self.value.name


class Problem(CouponError):
    """A request that is answered with a problem.

    detail: what happened, to what, and what to do. members: further members of the body.
    """

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.headers = dict(headers or {})
        self.members = members

    def answer(self, x_request_id: str | None = None) -> JsonResponse:
        """The response; every 503 says when to try again, `instance` names the HTTP request."""
        facts = self.kind.value
        body = {
            "type": self.kind.type,
            "title": facts.title,
            "status": facts.status,
            "detail": str(self),
            **self.members,
        }
        if x_request_id is not None:
            body["instance"] = INSTANCE_PREFIX + x_request_id
        headers = self.headers
        if facts.status == 503:
            headers = {"Retry-After": retry_after(), **headers}
        return json_response(body, facts.status, headers, "application/problem+json")


def answer_to(error: Exception, request: str, x_request_id: str) -> JsonResponse:
    """The answer to a request that ended in an error.

    request: its method and path, for the log. x_request_id: the HTTP request's.
    """
    return _problem_of(error, request, x_request_id).answer(x_request_id)


def _problem_of(error: Exception, request: str, x_request_id: str) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _http_problem(error)
    extra = {"x_request_id": x_request_id}
    for unavailable, kind in _UNAVAILABLE.items():
        if isinstance(error, unavailable):
            log.warning("%s", error, extra=extra)
            if isinstance(error, OutcomeUnknown):
                what = "Postgres did not say whether it was done: look before you try again."
                return Problem(ProblemType.OUTCOME_UNKNOWN, what)
            return Problem(kind, f"{kind.value.title}; try again.")
    FAILURES.log(error, request, x_request_id)
    return Problem(ProblemType.INTERNAL, "The API has failed; its log says how. Try again.")


def _http_problem(error: HTTPException) -> Problem:
    code = error.code or 500
    kind = _HTTP_KINDS.get(
        code, ProblemType.MALFORMED_REQUEST if code < 500 else ProblemType.INTERNAL
    )
    headers = {
        name: value
        for name, value in error.get_headers()
        if name not in ("Content-Type", "Content-Length")
    }
    detail = _HTTP_DETAILS.get(code) or error.description or kind.value.title
    return Problem(kind, detail, headers)


_HTTP_KINDS = {
    404: ProblemType.NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    413: ProblemType.BODY_TOO_LARGE,
    415: ProblemType.NOT_JSON,
}
_HTTP_DETAILS = {
    404: "There is nothing at this path; GET /openapi.json lists what there is.",
    405: "This path does not take this method; the header Allow names those that it takes.",
}
_UNAVAILABLE: dict[type[Exception], ProblemType] = {
    LedgerUnavailable: ProblemType.LEDGER_UNAVAILABLE,
    GateUnavailable: ProblemType.GATE_UNAVAILABLE,
}
