"""A view runs in the event loop when it is marked, and in a thread otherwise."""

from io import BytesIO

from flask import Blueprint

from api.app import ApiFlask, create_app, in_event_loop
from api.responses import JsonResponse


def app_of_two_views() -> ApiFlask:
    routes = Blueprint("views", __name__)

    @routes.get("/quick/<coupon_id:coupon_id>")
    @in_event_loop
    def quick(coupon_id: int) -> JsonResponse:
        return JsonResponse()

    @routes.get("/slow")
    def slow() -> JsonResponse:
        return JsonResponse()

    return create_app([routes], 0)


def runs_in_event_loop(path: str, method: str = "GET") -> bool:
    app = app_of_two_views()
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SERVER_NAME": "host",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
    }
    return app.runs_in_event_loop(app.request_context(environ))


def test_only_a_marked_view_runs_in_the_event_loop() -> None:
    assert runs_in_event_loop("/quick/7")
    assert not runs_in_event_loop("/slow")


def test_a_request_without_a_view_runs_in_a_thread() -> None:
    assert not runs_in_event_loop("/quick/0")
    assert not runs_in_event_loop("/quick/7", "POST")
