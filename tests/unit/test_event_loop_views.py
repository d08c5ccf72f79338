"""A view runs in the event loop when it is marked, and in a thread otherwise."""

from io import BytesIO

from api.app import ApiFlask, Views, blueprint_of, create_app, in_event_loop
from api.responses import RawResponse, json_response


def app_of_two_views() -> ApiFlask:
    @in_event_loop
    def quick(coupon_id: int) -> RawResponse:
        return json_response({})

    def slow() -> RawResponse:
        return json_response({})

    views: Views = {"GET /quick/<coupon_id:coupon_id>": quick, "GET /slow": slow}
    return create_app([blueprint_of("views", views)], 0)


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
