"""The small HTTP server of a process that is not the API: /healthz and /metrics."""

import json
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry

from coupons.errors import ConfigurationError
from coupons.metrics import exposition

Trouble = Callable[[], str | None]
"""Says what is wrong with the process, or None when it is well."""


def serve_probes(
    host: str, port: int, trouble: Trouble, metrics: CollectorRegistry
) -> ThreadingHTTPServer:
    """Serve until `shutdown()`: /healthz (200, or 503 with the trouble) and /metrics (Prometheus).

    metrics: those of this kind of process. Raises ConfigurationError when the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, exposition(metrics))
            elif self.path == "/healthz":
                what = trouble()
                body = {"status": "ok"} if what is None else {"status": "trouble", "detail": what}
                self._answer(
                    200 if what is None else 503, "application/json", json.dumps(body).encode()
                )
            else:
                self._answer(404, "text/plain", b"try /healthz or /metrics\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing: probes come every few seconds."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_port = False
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} on {host} cannot be used: {error.strerror}"
        ) from error
    Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server
