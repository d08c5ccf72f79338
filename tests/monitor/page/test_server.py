"""The server of the page: whatever connects to it, its threads and memory are bounded."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, current_thread, main_thread

import pytest

from coupons.errors import ConfigurationError
from coupons.process.probes import Page
from coupons.waiting import eventually
from monitor.page import server as page_server
from monitor.page.server import LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES, THREADS, PageServer
from stack.ports import HOST, free_ports

OK = b"HTTP/1.1 200"


@pytest.fixture
def port() -> int:
    return free_ports(["page"])["page"]


@pytest.fixture
def server(port: int) -> Iterator[PageServer]:
    def page(environ, start):  # type: ignore[no-untyped-def]
        body = environ["wsgi.input"].read()
        start("200 OK", [("Content-Type", "text/plain")])
        return [f"{len(body)}".encode()]

    def broken() -> Page:
        raise RuntimeError("of a test")

    probes = {"/healthz": lambda: Page(200, "text/plain", b"well"), "/broken": broken}
    server = PageServer(HOST, port, probes, page)
    yield server
    server.shutdown()


def answer(port: int, sent: bytes) -> bytes:
    with socket.create_connection((HOST, port), timeout=20) as connection:
        received = b""
        # It answers before it has read all, and closes.
        with suppress(ConnectionError):
            connection.sendall(sent)
            while part := connection.recv(65_536):
                received += part
        return received


def get(port: int, path: str) -> bytes:
    return answer(port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())


def test_probes_and_pages_share_the_port(server: PageServer, port: int) -> None:
    assert get(port, "/healthz").endswith(b"well")
    assert get(port, "/any").endswith(b"0")
    post = b"POST /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert answer(port, post).startswith(b"HTTP/1.1 405")


def test_a_probe_that_fails_says_so_and_no_more(server: PageServer, port: int) -> None:
    failed = get(port, "/broken")
    assert failed.startswith(b"HTTP/1.1 500")
    assert b"see the log" in failed
    assert b"of a test" not in failed


def test_silent_connections_take_no_threads(server: PageServer, port: int) -> None:
    silent = [socket.create_connection((HOST, port)) for _ in range(2 * THREADS)]
    for each in silent[::2]:
        each.sendall(b"GET / HTTP/1.1\r\nHost:")
    assert get(port, "/healthz").startswith(OK)
    for each in silent:
        each.close()


def test_a_request_that_comes_a_byte_at_a_time_is_cut_off(
    server: PageServer, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_server, "SECONDS_TO_ASK", 0.5)
    began = time.monotonic()
    with socket.create_connection((HOST, port)) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nX: ")

        def is_cut_off() -> bool:
            try:
                slow.sendall(b"x")
            except OSError:
                return True
            return False

        eventually(is_cut_off, 10)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * (2 * LARGEST_HEAD_BYTES) + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (LARGEST_BODY_BYTES + 1),
        b"\x00\xff\r\n\r\n",
    ],
    ids=["head", "body", "garbage"],
)
def test_what_is_too_large_or_no_request_is_refused(
    server: PageServer, port: int, sent: bytes
) -> None:
    assert re.match(rb"HTTP/1\.[01] 4|$", answer(port, sent))
    assert get(port, "/healthz").startswith(OK)


def test_a_port_that_is_taken_is_named(server: PageServer, port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"port {port} on {HOST} cannot be used"):
        PageServer(HOST, port, {}, lambda *_: [])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_closes_its_port_also_when_its_thread_has_ended(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then shutdown() is all that is left to close it."""
    ended = Event()

    def end(*_: object, **__: object) -> None:
        ended.set()
        raise RuntimeError("of a test")

    monkeypatch.setattr("waitress.wasyncore.loop", end)
    server = PageServer(HOST, port, {}, lambda *_: [])
    assert ended.wait(30)
    server.shutdown()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=1)
    server.shutdown()


def test_a_thread_that_has_just_answered_ends_in_order(
    server: PageServer, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It wakes the server's loop after its answer: not by a descriptor that is closed already."""
    waitress = server._server
    wake, close = waitress.pull_trigger, waitress.trigger.close
    answered, closed = Event(), Event()

    def wake_late() -> None:
        if current_thread() is not main_thread():
            answered.set()
            closed.wait(1)
        wake()

    def close_and_say_so() -> None:
        close()
        closed.set()

    monkeypatch.setattr(waitress, "pull_trigger", wake_late)
    monkeypatch.setattr(waitress.trigger, "close", close_and_say_so)
    assert get(port, "/any").startswith(OK)
    assert answered.wait(30)
    server.shutdown()
    assert closed.is_set()
    assert [each.message for each in caplog.records] == []


def test_it_stops_at_once_while_somebody_is_connected(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a wait until it looks again for connections to close."""
    monkeypatch.setattr(page_server, "LOOK_SECONDS", 30.0)
    probes = {"/healthz": lambda: Page(200, "text/plain", b"well")}
    server = PageServer(HOST, port, probes, lambda *_: [])
    with socket.create_connection((HOST, port)) as connected:
        connected.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connected.recv(65_536).startswith(OK)
        began = time.monotonic()
        server.shutdown()
    assert time.monotonic() - began < 10
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=1)
