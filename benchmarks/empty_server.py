"""The API's HTTP server with nothing in it: python -m benchmarks.empty_server flask

Set by the same COUPON_* variables as the API, so that it has the same workers and threads.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from api.server import serve
from api.settings import ApiSettings
from api.stopping import stop_with_parent
from coupons.settings import load_settings

FLASK, WSGI = "flask", "wsgi"


def empty_flask() -> Flask:
    """One view, at the path of claims."""
    stop_with_parent()
    app = Flask("empty", static_folder=None)

    @app.post("/coupons/<int:coupon_id>/issue-requests")
    def claim(coupon_id: int) -> tuple[str, int]:  # noqa: ARG001
        return "", 202

    @app.get("/readyz")
    def ready() -> str:
        return ""

    return app


def empty_wsgi() -> Callable[..., Any]:
    """No framework at all."""
    stop_with_parent()

    def answer(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("202 Accepted", [("Content-Length", "0")])
        return [b""]

    return answer


if __name__ == "__main__":
    serve(load_settings(ApiSettings), empty_flask if sys.argv[1] == FLASK else empty_wsgi)
