"""The Flask application: its routes, and where their views run."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, ParamSpec, cast

from flask import Blueprint, Flask, Request
from flask.ctx import RequestContext
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.routing import BaseConverter, MapAdapter

from api.responses import RawResponse, StreamedResponse
from coupons.ids import FIRST_ERASED_ID, MAX_COUPON_ID

P = ParamSpec("P")

ViewResult = RawResponse | Coroutine[Any, Any, RawResponse | StreamedResponse]
"""What a view returns: a response, or a coroutine of one."""

Views = Mapping[str, Callable[..., ViewResult]]
"""Views by method and path, such as `GET /coupons/<coupon_id:coupon_id>`."""

_IN_LOOP = "begins_in_event_loop"


def in_event_loop(view: Callable[P, Any]) -> Callable[P, Any]:
    """Marks a view that runs in the event loop itself; every other view runs in a thread.

    Such a view only computes: it waits for no server and for no body. It returns a response, or a
    coroutine of a RawResponse that does the waiting (see `await_body`).
    """
    setattr(view, _IN_LOOP, True)
    return view


def blueprint_of(name: str, views: Views) -> Blueprint:
    """The routes of these views; each is named after its view."""
    routes = Blueprint(name, __name__)
    for rule, view in views.items():
        method, path = rule.split(" ", 1)
        # Flask's types do not know our responses, which it passes on as they are.
        routes.add_url_rule(path, view_func=cast(Any, view), methods=[method])
    return routes


class NoSessions(SessionInterface):
    """The API has no sessions: it neither reads nor writes cookies."""

    _none = NullSession()

    def open_session(self, _app: Flask, _request: Request) -> SessionMixin:
        """The same empty session for every request."""
        return self._none


def _up_to(most: int) -> str:
    """A regular expression for the integers from 1 to `most`, in plain digits.

    The router applies it before it checks the method: for a number that is too large there is no
    path, whatever the method.
    """
    digits = str(most)
    same_length = [
        f"{digits[:at]}[{'1' if at == 0 else '0'}-{int(digit) - 1}][0-9]{{{len(digits) - at - 1}}}"
        for at, digit in enumerate(digits)
        if int(digit) > (1 if at == 0 else 0)
    ]
    return "|".join([f"[1-9][0-9]{{0,{len(digits) - 2}}}", *same_length, digits])


class CouponIdConverter(BaseConverter):
    """A coupon id in a path: a positive integer that is not too large; else no route (404)."""

    regex = _up_to(MAX_COUPON_ID)

    def to_python(self, value: str) -> int:
        """The id."""
        return int(value)


class UserIdConverter(CouponIdConverter):
    """The id of a user in a path, in the same way."""

    regex = _up_to(FIRST_ERASED_ID - 1)


class _RoutedContext(RequestContext):
    """A request that is routed when it is made, before it is known where its view runs."""

    def __init__(self, app: Flask, environ: dict[str, Any]) -> None:
        super().__init__(app, environ)
        super().match_request()

    def match_request(self) -> None:
        """Done already. Flask calls this again when it pushes the context."""


class ApiFlask(Flask):
    """Flask for an API that has no pages.

    The host that a client names does not matter; looking it up would take a tenth of the time of
    a claim.
    """

    session_interface = NoSessions()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The routes, bound to the request's method and path."""
        if request is None:
            return None
        return MapAdapter(self.url_map, "localhost", "/", "", "http", request.path, request.method)

    def request_context(self, environ: dict[str, Any]) -> RequestContext:
        """The request, routed."""
        return _RoutedContext(self, environ)

    def runs_in_event_loop(self, context: RequestContext) -> bool:
        """Whether the request's view is marked with `in_event_loop`; no view: False."""
        rule = context.request.url_rule
        return rule is not None and hasattr(self.view_functions[rule.endpoint], _IN_LOOP)


def create_app(blueprints: Iterable[Blueprint], max_body_bytes: int) -> ApiFlask:
    """An application of these routes. max_body_bytes: larger bodies get 413."""
    app = ApiFlask("api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.url_map.merge_slashes = False  # no request is redirected
    app.url_map.converters["coupon_id"] = CouponIdConverter
    app.url_map.converters["user_id"] = UserIdConverter
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app
