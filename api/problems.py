"""Errors as responses: application/problem+json (RFC 9457), each with a stable `type`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from random import random

from werkzeug.exceptions import HTTPException

from api.failures import FailureLog
from api.responses import RawResponse, json_response
from coupons.errors import (
    CouponError,
    KeysUnavailable,
    LedgerUnavailable,
    OutcomeUnknown,
    RedisUnavailable,
)
from coupons.ledger.retired import is_of_a_retired_coupon

log = logging.getLogger(__name__)

FAILURES = FailureLog()

TYPE_PREFIX = "urn:coupon-cdc:problem:"
INSTANCE_PREFIX = "urn:coupon-cdc:request:"
_RETRY_AFTER_SECONDS = ("1", "2", "3")


def retry_after() -> str:
    """Seconds for a Retry-After header, drawn at random.

    Otherwise clients that were refused at the same moment would come back at the same moment.
    """
    return _RETRY_AFTER_SECONDS[int(random() * len(_RETRY_AFTER_SECONDS))]  # noqa: S311


@dataclass(frozen=True, slots=True)
class _Definition:
    name: str
    status: int
    title: str


class ProblemType(Enum):
    """Every type of problem that the API responds with."""

    MALFORMED_JSON = _Definition("malformed-json", 400, "The body is not JSON")
    MALFORMED_REQUEST = _Definition("malformed-request", 400, "The request cannot be understood")
    UNAUTHENTICATED = _Definition("unauthenticated", 401, "A valid bearer token is required")
    INSUFFICIENT_SCOPE = _Definition("insufficient-scope", 403, "The token does not allow this")
    NOT_ELIGIBLE = _Definition("not-eligible", 403, "The coupon is not for this user")
    NOT_FOUND = _Definition("not-found", 404, "It does not exist")
    RECEIPTS_OFF = _Definition("receipts-off", 404, "This API signs no receipts")
    METHOD_NOT_ALLOWED = _Definition("method-not-allowed", 405, "The method is not allowed here")
    BODY_TIMEOUT = _Definition("body-timeout", 408, "The body did not arrive in time")
    NOT_OPEN = _Definition("not-open", 409, "The coupon is not open yet")
    CLOSED = _Definition("closed", 409, "The coupon is closed")
    PAUSED = _Definition("paused", 409, "The coupon is paused")
    ARCHIVED = _Definition("archived", 409, "The coupon is archived")
    NOT_CLOSED = _Definition("not-closed", 409, "The coupon is not closed")
    IN_FLIGHT = _Definition("in-flight", 409, "Requests of the coupon are not final")
    USER_IN_FLIGHT = _Definition("user-in-flight", 409, "Something of the user is not final")
    DRAFT = _Definition("draft", 409, "The coupon is a draft")
    NOT_DRAFT = _Definition("not-draft", 409, "The coupon is no draft")
    UPLOAD_RUNNING = _Definition("upload-running", 409, "Codes or users are being uploaded")
    REHEARSAL = _Definition("rehearsal", 409, "The coupon is a rehearsal")
    SOLD_OUT = _Definition("sold-out", 409, "The coupon is sold out")
    NOT_YOUR_TURN = _Definition("not-your-turn", 409, "The user's turn has not come")
    NO_WAITING_ROOM = _Definition("no-waiting-room", 409, "The coupon has no waiting room")
    WAITING_ROOM_FIXED = _Definition(
        "waiting-room-fixed", 409, "Somebody's turn would come later or in another order"
    )
    NOT_SOLD_OUT = _Definition("not-sold-out", 409, "The coupon is not sold out")
    NO_STANDBY_LIST = _Definition("no-standby-list", 409, "The coupon has no standby list")
    REQUESTED = _Definition("requested", 409, "The user has a request already")
    IDEMPOTENCY_KEY_IN_PROGRESS = _Definition(
        "idempotency-key-in-progress", 409, "A call with this Idempotency-Key is running"
    )
    ID_TAKEN = _Definition("id-taken", 409, "The coupon id is already used")
    STOCK_BELOW_ISSUED = _Definition("stock-below-issued", 409, "More coupons are already issued")
    STOCK_BELOW_IN_FLIGHT = _Definition(
        "stock-below-in-flight", 409, "More coupons are issued or in flight"
    )
    VALIDITY_SHORTENED = _Definition(
        "validity-shortened", 409, "Somebody's coupon would be valid for a shorter time"
    )
    USED = _Definition("coupon-used", 409, "The issued coupon is used")
    NOT_USED = _Definition("coupon-not-used", 409, "The issued coupon is not used")
    OTHER_ORDER = _Definition("other-order", 409, "Another order uses the issued coupon")
    ORDER_CANCELLED = _Definition("order-cancelled", 409, "The order has cancelled its use")
    EXPIRED = _Definition("coupon-expired", 409, "The issued coupon has expired")
    REVOKED = _Definition("coupon-revoked", 409, "The issued coupon is revoked")
    NO_CODES = _Definition("no-codes", 409, "The coupon has no codes")
    CODES_EXHAUSTED = _Definition("codes-exhausted", 409, "No code of the pool is left")
    CODES_EXIST = _Definition("codes-exist", 409, "The coupon has codes already")
    CODES_BUSY = _Definition("codes-busy", 409, "Codes are being uploaded, removed or given")
    UPLOAD_OFFSET = _Definition("upload-offset", 409, "The upload goes on elsewhere")
    EMPTY_AUDIENCE = _Definition("empty-audience", 409, "The list has no user")
    NO_POOL = _Definition("no-pool", 409, "The coupon's codes do not come from a pool")
    RETIRED = _Definition("retired", 410, "The coupon is retired")
    PRECONDITION_FAILED = _Definition("precondition-failed", 412, "Somebody else changed it")
    BODY_TOO_LARGE = _Definition("body-too-large", 413, "The body is too large")
    URI_TOO_LONG = _Definition("uri-too-long", 414, "The path or the query string is too long")
    NOT_JSON = _Definition("not-json", 415, "The body must be application/json")
    NOT_TEXT = _Definition("not-text", 415, "The body must be text/plain or text/csv")
    INVALID = _Definition("invalid", 422, "The request is not valid")
    IDEMPOTENCY_KEY_REUSED = _Definition(
        "idempotency-key-reused", 422, "The Idempotency-Key was used with another body"
    )
    PRECONDITION_REQUIRED = _Definition("precondition-required", 428, "If-Match is required")
    TOO_MANY_CLAIMS = _Definition("too-many-claims", 429, "Too many claims in a short time")
    HEADERS_TOO_LARGE = _Definition("headers-too-large", 431, "The headers are too large")
    INTERNAL = _Definition("internal", 500, "The API has failed")
    GATE_CLOSED = _Definition("gate-closed", 503, "The gate is unavailable for this coupon")
    GATE_UNAVAILABLE = _Definition("gate-unavailable", 503, "Redis cannot be used now")
    KEYS_UNAVAILABLE = _Definition("keys-unavailable", 503, "The keys of tokens cannot be read now")
    LEDGER_UNAVAILABLE = _Definition("ledger-unavailable", 503, "Postgres cannot be used now")
    OUTCOME_UNKNOWN = _Definition("outcome-unknown", 503, "It may have been done")
    OVERLOADED = _Definition("overloaded", 503, "The API is overloaded")

    @property
    def type(self) -> str:
        """The URI of this problem type. It never changes."""
        return TYPE_PREFIX + self.value.name


class Problem(CouponError):
    """The problem that a request is answered with.

    detail: what happened, to what, and what to do. headers: by lower-case name. members: further
    members of the body.
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

    def response(self, x_request_id: str | None = None) -> RawResponse:
        """The response; every 503 says when to try again, `instance` names the HTTP request."""
        definition = self.kind.value
        body = {
            "type": self.kind.type,
            "title": definition.title,
            "status": definition.status,
            "detail": str(self),
            **self.members,
        }
        if x_request_id is not None:
            body["instance"] = INSTANCE_PREFIX + x_request_id
        headers = self.headers
        if definition.status == 503:
            headers = {"retry-after": retry_after(), **headers}
        return json_response(body, definition.status, headers, "application/problem+json")


_READS = ("GET ", "HEAD ")
"""How a request begins that changes nothing, so that its outcome does not matter."""


def problem_response(error: Exception, request: str, x_request_id: str) -> RawResponse:
    """The response to a request that ended in an error.

    request: its method and path, for the log. x_request_id: the HTTP request's.
    """
    return _problem_of(error, request, x_request_id).response(x_request_id)


def _problem_of(error: Exception, request: str, x_request_id: str) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _http_problem(error)
    if is_of_a_retired_coupon(error):
        return Problem(ProblemType.RETIRED, "The coupon is retired: nothing of it changes.")
    extra = {"x_request_id": x_request_id}
    for unavailable, kind in _UNAVAILABLE.items():
        if isinstance(error, unavailable):
            log.warning("%s", error, extra=extra)
            if isinstance(error, OutcomeUnknown) and not request.startswith(_READS):
                what = "It is unknown whether it was done: check before you try again."
                return Problem(ProblemType.OUTCOME_UNKNOWN, what)
            return Problem(kind, f"{kind.value.title}; try again.")
    FAILURES.log(error, request, x_request_id)
    return Problem(ProblemType.INTERNAL, "The API failed; its log says why. Try again.")


def _http_problem(error: HTTPException) -> Problem:
    code = error.code or 500
    kind = _HTTP_KINDS.get(
        code, ProblemType.MALFORMED_REQUEST if code < 500 else ProblemType.INTERNAL
    )
    headers = {
        name.lower(): value
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
    404: "This path does not exist; GET /openapi.json lists all paths.",
    405: "This path does not allow this method; the header Allow names those that it allows.",
}
_UNAVAILABLE: dict[type[Exception], ProblemType] = {
    LedgerUnavailable: ProblemType.LEDGER_UNAVAILABLE,
    RedisUnavailable: ProblemType.GATE_UNAVAILABLE,
    KeysUnavailable: ProblemType.KEYS_UNAVAILABLE,
}
