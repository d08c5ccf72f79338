"""A connector that failed is restarted, each one, and one that does not exist is let be."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from connectors.events import EVENTS_CONNECTOR
from connectors.lifecycle import CONNECTOR_NAME
from coupons.waiting import eventually
from reconciler import connector_watch
from reconciler.connector_watch import CONNECTORS, watch_connector
from reconciler.metrics import CONNECTOR_RESTARTS
from tests.support.http_servers import serving


class Connectors:
    """Connect's connectors. tasks: the state of each one's task. restarted: those that were."""

    def __init__(self, tasks: dict[str, str]) -> None:
        self.tasks = tasks
        self.restarted: list[str] = []
        self.asked: list[str] = []

    def status(self, name: str) -> dict[str, object] | None:
        self.asked.append(name)
        if name not in self.tasks:
            return None
        task = {"id": 0, "state": self.tasks[name], "trace": "Caused by: of a test"}
        return {"connector": {"state": "RUNNING"}, "tasks": [task]}

    def restart(self, name: str) -> None:
        self.restarted.append(name)
        self.tasks[name] = "RUNNING"


@contextmanager
def watched(connectors: Connectors) -> Iterator[None]:
    """All connectors are watched while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = connectors.status(self.path.split("/")[2])
            self._answer(404 if found is None else 200, found or {})

        def do_POST(self) -> None:
            connectors.restart(self.path.split("/")[2])
            self._answer(200, {})

        def _answer(self, code: int, body: dict[str, object]) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    stop = Event()
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        threads = [Thread(target=watch_connector, args=(url, each, stop)) for each in CONNECTORS]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector_watch, "CHECK_EVERY_SECONDS", 0.01)


def restarts_of(name: str) -> float:
    return float(CONNECTOR_RESTARTS.labels(name)._value.get())


@pytest.mark.parametrize("failed", [CONNECTOR_NAME, EVENTS_CONNECTOR])
def test_each_connector_that_failed_is_restarted_and_counted(failed: str) -> None:
    """The other one is not."""
    before = {name: restarts_of(name) for name in CONNECTORS}
    connectors = Connectors(dict.fromkeys(CONNECTORS, "RUNNING") | {failed: "FAILED"})
    with watched(connectors):
        eventually(lambda: restarts_of(failed) > before[failed], 10, "it was restarted")
        eventually(lambda: set(CONNECTORS) <= set(connectors.asked), 10, "both are watched")
    assert connectors.restarted == [failed]
    after = {name: restarts_of(name) for name in CONNECTORS}
    assert after == before | {failed: before[failed] + 1}


def test_events_that_are_off_are_let_be(caplog: pytest.LogCaptureFixture) -> None:
    """No line is written about them; one about the connector that has to be there."""
    connectors = Connectors({})
    with caplog.at_level(logging.WARNING), watched(connectors):
        eventually(lambda: min(map(connectors.asked.count, CONNECTORS)) > 2, 10, "both are watched")
    [line] = caplog.messages
    assert line.startswith(f"there is no connector {CONNECTOR_NAME}: ")
    assert connectors.restarted == []
