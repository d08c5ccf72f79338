"""An API that answers as a test says, and writes down what it was asked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from coupon_client.errors import TYPE_PREFIX
from stack.ports import HOST
from tests.support.http_servers import serving

REQUEST = {
    "id": "00000000-0000-800e-8000-000000001267",
    "coupon_id": "7",
    "user_id": "4711",
    "status": "REQUESTED",
    "requested_at": "2026-01-01T00:00:00.000000Z",
}
ISSUED = {
    **REQUEST,
    "coupon_name": "of a test",
    "issued_at": "2026-01-01T00:00:00.000000Z",
    "state": "used",
}
COUPON = {
    "id": "7",
    "name": "of a test",
    "total_quantity": 3,
    "issue_starts_at": "2026-01-01T00:00:00.000000Z",
    "state": "open",
    "is_scheduled": False,
    "issued_count": 0,
    "rejected_count": 0,
    "created_at": "2026-01-01T00:00:00.000000Z",
    "version": "1795360000123457",
    "a_field_of_a_newer_api": 1,
}


class Answer(NamedTuple):
    """An answer; status 0: the connection is closed instead, after the call was read."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}


LOST = Answer(0)


def problem(status: int, name: str, **headers: str) -> Answer:
    """A refusal as the API sends it."""
    body = {"type": TYPE_PREFIX + name, "title": "x", "status": status, "detail": "It failed."}
    return Answer(status, body, {each.replace("_", "-"): headers[each] for each in headers})


class Asked(NamedTuple):
    """A call that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class ScriptedApi:
    """answers: the next ones. asked: the calls, in order."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def scripted() -> Iterator[ScriptedApi]:
    """It runs while the block does."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            api.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            status, document, headers = api.answers.pop(0)
            if not status:
                self.close_connection = True
                return
            text = document if isinstance(document, str) else json.dumps(document)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    api = ScriptedApi(f"http://{HOST}:{server.server_port}")
    with serving(server):
        yield api
