"""An HTTP server that gives every caller the answer that a test sets."""

from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.http_servers import serving


class Answers:
    """A process that answers over HTTP what a test sets."""

    def __init__(self, status: int, body: str) -> None:
        self.status, self.body = status, body
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(answers.status)
                self.end_headers()
                self.wfile.write(answers.body.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._until_stopped = ExitStack()
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._until_stopped.enter_context(serving(server))
        self.address = f"127.0.0.1:{server.server_port}"
        self.url = f"http://{self.address}"

    def stop(self) -> None:
        self._until_stopped.close()
