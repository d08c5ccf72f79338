"""A schema registry that holds what a test puts in: the part of the real one's API that is used."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.http_servers import serving


class RegistryServer:
    """schemas: by id. subjects: the newest schema of each. asked: the paths, in order."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.schemas: dict[int, Any] = {}
        self.subjects: dict[str, Any] = {}
        self.asked: list[str] = []
        self.failing = False

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """HTTP status and body."""
        self.asked.append(path)
        if self.failing:
            return 500, {"message": "the database is away"}
        match path.split("/"):
            case ["", "schemas", "ids", number]:
                found = self.schemas.get(int(number))
            case ["", "subjects", subject, "versions", "latest"]:
                found = self.subjects.get(subject)
            case _:
                found = None
        if found is None:
            return 404, {"error_code": 40403, "message": "not found"}
        return 200, {"schema": json.dumps(found)}


@pytest.fixture
def registry_server() -> Iterator[RegistryServer]:
    """One of the test's own, empty."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, answer = registry.answer(self.path)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        registry = RegistryServer(server.server_port)
        yield registry
