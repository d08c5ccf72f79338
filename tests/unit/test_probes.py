"""The probe server: its answers, and how little a stranger's connection takes."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from threading import Event, active_count

import pytest

from cdc_consumer.metrics import CONSUMER
from coupons.errors import ConfigurationError
from coupons.process import probes
from coupons.process.probes import MOST_CONNECTIONS, PAGES_AT_ONCE, ProbeServer, serve_probes
from coupons.waiting import eventually
from stack.ports import HOST, free_ports

ASK = b"GET /healthz HTTP/1.0\r\n\r\n"


@pytest.fixture
def port() -> int:
    return free_ports(["probes"])["probes"]


@pytest.fixture
def server(port: int) -> Iterator[ProbeServer]:
    server = serve_probes(HOST, port, lambda: None, CONSUMER)
    yield server
    server.shutdown()


def connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=20)


def ask(port: int, request: bytes = ASK) -> bytes:
    with connect(port) as connection:
        connection.sendall(request)
        return connection.makefile("rb").read()


def test_it_says_whether_the_process_is_well(port: int) -> None:
    trouble = ["it hangs"]
    server = serve_probes(HOST, port, lambda: trouble[0] if trouble else None, CONSUMER)
    try:
        assert ask(port).startswith(b"HTTP/1.1 503 ")
        assert ask(port).endswith(b'{"status": "trouble", "detail": "it hangs"}')
        trouble.clear()
        assert ask(port).startswith(b"HTTP/1.1 200 ")
        assert b"# HELP " in ask(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ask(port, b"GET /nothing HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")
        assert ask(port, b"POST /healthz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")
    finally:
        server.shutdown()
    with pytest.raises(ConnectionRefusedError):
        connect(port)


def test_a_port_that_is_taken_is_named(server: ProbeServer, port: int) -> None:
    assert server
    with pytest.raises(ConfigurationError, match=str(port)):
        serve_probes(HOST, port, lambda: None, CONSUMER)


def test_a_check_that_fails_is_500_and_the_next_one_is_answered(port: int) -> None:
    def broken() -> str:
        raise RuntimeError("of a test")

    server = serve_probes(HOST, port, broken, CONSUMER)
    try:
        assert ask(port).startswith(b"HTTP/1.1 500 ")
        assert ask(port, b"GET /metrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    finally:
        server.shutdown()


def test_silent_connections_take_no_threads_and_give_way(server: ProbeServer, port: int) -> None:
    before = active_count()
    with ExitStack() as open_sockets:
        silent = [open_sockets.enter_context(connect(port)) for _ in range(MOST_CONNECTIONS * 3)]
        assert ask(port).startswith(b"HTTP/1.1 200 ")
        assert active_count() <= before + PAGES_AT_ONCE
        assert silent[0].recv(1) == b""
        assert len(server._connections) <= MOST_CONNECTIONS


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.0\r\nX: "])
def test_who_does_not_ask_in_time_is_sent_away(
    server: ProbeServer, port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(probes, "SECONDS_TO_ASK", 0.2)
    with connect(port) as connection:
        connection.sendall(sent)
        assert connection.recv(1) == b""
    eventually(lambda: not server._connections, 5, "it is forgotten")


def test_a_request_that_is_too_large_is_not_read(server: ProbeServer, port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\nX: " + b"x" * 100_000)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    eventually(lambda: not server._connections, 5, "it is forgotten")


def test_checks_that_hang_are_no_more_than_may_run_at_once(port: int) -> None:
    running, go_on = [], Event()

    def hangs() -> None:
        running.append(1)
        go_on.wait(20)

    server = serve_probes(HOST, port, hangs, CONSUMER)
    try:
        with ExitStack() as open_sockets:
            asked = [open_sockets.enter_context(connect(port)) for _ in range(PAGES_AT_ONCE * 3)]
            for connection in asked:
                connection.sendall(ASK)
            eventually(lambda: len(running) == PAGES_AT_ONCE, 5, "checks run")
            go_on.set()
            for connection in asked:
                assert connection.recv(20).startswith(b"HTTP/1.1 200 ")
    finally:
        server.shutdown()
