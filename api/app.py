"""The Flask application: routes, errors as problems, response times."""

import logging
from collections.abc import Iterable
from functools import cache
from time import perf_counter
from typing import Any, cast

from flask import Blueprint, Flask, Request, Response, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, ValidationError

from api.answers import Answer
from api.problems import Kind, Problem
from coupons.errors import GateUnavailable, LedgerUnavailable
from coupons.ids import MAX_COUPON_ID
from coupons.metrics import API_RESPONSE_SECONDS, API_RESPONSES

log = logging.getLogger(__name__)

_HTTP_KINDS = {
    404: Kind.NOT_FOUND,
    405: Kind.METHOD_NOT_ALLOWED,
    413: Kind.BODY_TOO_LARGE,
    415: Kind.NOT_JSON,
}


class ArrivedRequest(Request):
    """A request that knows when it arrived (seconds of perf_counter)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.at = perf_counter()


class NoSessions(SessionInterface):
    """The API keeps no sessions: nothing is read from cookies, nothing is written into them."""

    _none = NullSession()

    def open_session(self, _app: Flask, _request: Request) -> SessionMixin:
        """The same empty one for every request."""
        return self._none


class CouponIdConverter(BaseConverter):
    """A coupon id in a path: a positive integer that fits; anything else is no route (404)."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        """The id."""
        if int(value) > MAX_COUPON_ID:
            raise ValidationError
        return int(value)


def create_app(blueprints: Iterable[Blueprint], max_body_bytes: int) -> Flask:
    """An application of these routes. max_body_bytes: larger bodies get 413."""
    app = Flask("api", static_folder=None)
    app.request_class = ArrivedRequest
    app.session_interface = NoSessions()
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.url_map.converters["coupon_id"] = CouponIdConverter
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    app.register_error_handler(Problem, Problem.answer)
    app.register_error_handler(LedgerUnavailable, _ledger_unavailable)
    app.register_error_handler(GateUnavailable, _gate_unavailable)
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(Exception, _failure)
    app.after_request(_measure)
    return app


def _ledger_unavailable(error: LedgerUnavailable) -> Answer:
    log.warning("%s", error)
    return Problem(
        Kind.LEDGER_UNAVAILABLE, f"{Kind.LEDGER_UNAVAILABLE.value.title}; try again."
    ).answer()


def _gate_unavailable(error: GateUnavailable) -> Answer:
    log.warning("%s", error)
    return Problem(
        Kind.GATE_UNAVAILABLE, f"{Kind.GATE_UNAVAILABLE.value.title}; try again."
    ).answer()


def _http_problem(error: HTTPException) -> Answer:
    code = error.code or 500
    kind = _HTTP_KINDS.get(code, Kind.MALFORMED_REQUEST if code < 500 else Kind.INTERNAL)
    headers = {
        name: value
        for name, value in error.get_headers()
        if name not in ("Content-Type", "Content-Length")
    }
    return Problem(kind, error.description or kind.value.title, headers).answer()


def _failure(error: Exception) -> Answer:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return Problem(Kind.INTERNAL, "The API has failed; its log says how. Try again.").answer()


def _measure(response: Response) -> Response:
    arrived = cast(ArrivedRequest, request)
    route = arrived.endpoint or "none"
    _responses(route, response.status_code).inc()
    if "wait=" not in arrived.environ["QUERY_STRING"]:
        _seconds(route).observe(perf_counter() - arrived.at)
    return response


# Looking a labelled metric up costs more than counting; there are few routes and statuses.
_responses = cache(API_RESPONSES.labels)
_seconds = cache(API_RESPONSE_SECONDS.labels)
