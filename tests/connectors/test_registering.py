"""What registering says when Connect is away, busy, or does not like the connector."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from connectors.connector_state import root_cause
from connectors.lifecycle import restart, status
from connectors.register import register
from coupons.errors import ConnectorError

RUNNING = {"connector": {"state": "RUNNING"}, "tasks": [{"id": 0, "state": "RUNNING"}]}
TRACE = (
    "org.apache.kafka.connect.errors.ConnectException: An exception occurred in the producer.\n"
    "\tat io.debezium.pipeline.ErrorHandler.setProducerThrowable(ErrorHandler.java:67)\n"
    "Caused by: io.debezium.DebeziumException: Could not stream\n"
    "\t... 5 more\n"
    'Caused by: org.postgresql.util.PSQLException: ERROR: slot "coupon_cdc" does not exist\n'
    "\t... 8 more\n"
)
FAILED = {
    "connector": {"state": "RUNNING"},
    "tasks": [{"id": 0, "state": "FAILED", "trace": TRACE}],
}


class ConnectServer:
    """Answers like Connect, with what the test says. complaints: by setting. busy: 409s to come."""

    def __init__(self) -> None:
        self.url = ""
        self.status: dict[str, Any] | None = RUNNING
        self.complaints: dict[str, list[str]] = {}
        self.busy = 0
        self.changes: list[str] = []

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        if self.busy:
            self.busy -= 1
            return 409, {"message": "Cannot complete request momentarily due to rebalance"}
        if path.endswith("/validate"):
            values = [{"name": name, "errors": found} for name, found in self.complaints.items()]
            return 200, {"configs": [{"value": value} for value in values]}
        if path.endswith("/status"):
            return (200, self.status) if self.status else (404, {"message": "No status found"})
        self.changes.append(f"{method} {path}")
        return 200, {}


@pytest.fixture
def connect() -> Iterator[ConnectServer]:
    answers = ConnectServer()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            code, body = answers.answer(self.command, self.path)
            content = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    answers.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    yield answers
    server.shutdown()
    server.server_close()


def test_connect_that_is_away_is_named_with_what_to_do() -> None:
    with pytest.raises(ConnectorError, match=r"127\.0\.0\.1:9 .*COUPON_CONNECT_URL"):
        status("http://127.0.0.1:9")


def test_every_wrong_setting_is_named_and_nothing_is_changed(connect: ConnectServer) -> None:
    connect.complaints = {"slot.name": ["must be lower case"], "topic.prefix": ["is required"]}
    with pytest.raises(ConnectorError) as raised:
        register(connect.url)
    assert "slot.name: must be lower case" in str(raised.value)
    assert "topic.prefix: is required" in str(raised.value)
    assert connect.changes == []


def test_a_rebalance_is_waited_out(connect: ConnectServer) -> None:
    connect.busy = 3
    assert register(connect.url).is_running
    assert connect.changes[0] == "PUT /connectors/coupon-cdc/config"


def test_a_task_that_fails_is_reported_with_its_innermost_cause(connect: ConnectServer) -> None:
    connect.status = FAILED
    with pytest.raises(ConnectorError, match='slot "coupon_cdc" does not exist'):
        register(connect.url)


def test_a_connector_that_is_not_there_cannot_be_restarted(connect: ConnectServer) -> None:
    connect.status = None
    with pytest.raises(ConnectorError, match="coupon connector register"):
        restart(connect.url)


def test_a_trace_without_causes_is_told_by_its_first_line() -> None:
    assert root_cause("java.lang.OutOfMemoryError: Java heap space\n\tat x") == (
        "java.lang.OutOfMemoryError: Java heap space"
    )
