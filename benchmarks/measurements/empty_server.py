"""The API's HTTP server with an empty handler: python -m benchmarks.measurements.empty_server flask

It reads the same COUPON_* variables as the API, so it has the same workers and threads.
"""

import sys
from typing import Any

from api.app import Views, blueprint_of, create_app, in_event_loop
from api.request_body import BodyLimits, BodyReader
from api.responses import RawResponse, json_response
from api.rsgi import RsgiApp
from api.server import serve
from api.settings import ApiSettings
from api.stopping import stop_with_parent
from coupons.process.settings import load_settings

FLASK, BARE = "flask", "bare"


def empty_flask() -> RsgiApp:
    """One view at the path of claims, which starts on the event loop as the real one does."""
    stop_with_parent()

    @in_event_loop
    def claim(coupon_id: int) -> RawResponse:  # noqa: ARG001
        return json_response({}, 202)

    @in_event_loop
    def ready() -> RawResponse:
        return json_response({})

    bodies = BodyReader(BodyLimits(0, 1.0))
    views: Views = {
        "POST /coupons/<coupon_id:coupon_id>/issue-requests": claim,
        "GET /healthz": ready,
    }
    return RsgiApp(create_app([blueprint_of("empty", views)], 0), 1, lambda: None, bodies)


class Bare:
    """A handler without a framework."""

    async def __rsgi__(self, _scope: Any, protocol: Any) -> None:
        """Answer every request with 202."""
        protocol.response_empty(202, [])


def _bare() -> Any:
    stop_with_parent()
    return Bare()


if __name__ == "__main__":
    serve(load_settings(ApiSettings), empty_flask if sys.argv[1] == FLASK else _bare)
