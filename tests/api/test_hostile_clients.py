"""Clients that send nothing, too little or too much cost no more than a refusal."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from coupons.tokens import SCOPES
from coupons.waiting import eventually
from tests.support.api_process import ADMIN, Bearer, Server, running
from tests.support.databases import Database

BODY_SECONDS = 1.0
THREADS = 16
MANY = 10 * THREADS
BODY = b'{"name": "of a test", "total_quantity": 1}'
SILENT_BODY = "Content-Type: application/json\r\nContent-Length: 500\r\n"
CHUNKED = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"


@pytest.fixture
def server(environment: dict[str, str], bearer: Bearer) -> Iterator[Server]:
    few = {"COUPON_API_BODY_SECONDS": str(BODY_SECONDS), "COUPON_API_THREADS": str(THREADS)}
    with running({**environment, **few, "COUPON_API_WORKERS": "1"}, bearer) as server:
        yield server


@pytest.fixture
def token(bearer: Bearer) -> str:
    return f"Authorization: {bearer(ADMIN, SCOPES)['Authorization']}\r\n"


def opened(server: Server, target: str, headers: str = "") -> socket.socket:
    """A connection on which this request's head was sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(f"{target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    return connection


def answer_of(connection: socket.socket) -> tuple[int, str]:
    """Status and problem type of the answer, once the server has closed the connection."""
    text = b""
    while part := connection.recv(65_536):
        text += part
    status, _, body = text.partition(b"\r\n\r\n")
    kind = re.search(rb'"type":"urn:coupon-cdc:problem:([a-z-]*)"', body)
    return int(status.split(b" ", 2)[1]), kind[1].decode() if kind else ""


def test_who_sends_neither_body_nor_token_is_refused_and_not_waited_for(server: Server) -> None:
    with ExitStack() as open_sockets:
        silent = [
            open_sockets.enter_context(opened(server, "POST /coupons", SILENT_BODY))
            for _ in range(200)
        ]
        assert {answer_of(each) for each in silent} == {(401, "unauthenticated")}


def test_bodies_that_never_come_do_not_stop_honest_claims(server: Server, token: str) -> None:
    """Bodies that never come are ended and honest claims are answered meanwhile."""
    coupon_id = server.make_coupon()
    with ExitStack() as open_sockets:
        for framing in (SILENT_BODY, CHUNKED) * THREADS:
            connection = opened(server, "POST /coupons", framing + token)
            open_sockets.enter_context(connection)
        silent = open_sockets.pop_all()
    with silent:
        statuses = [server.claim(coupon_id, user)[0] for user in range(1, 20)]
    assert set(statuses) == {202}


def test_bodies_that_never_come_do_not_stop_those_that_come(server: Server, token: str) -> None:
    """No thread waits for a body: however many do not come, the next one is read."""
    with ExitStack() as open_sockets:
        silent = [
            open_sockets.enter_context(opened(server, "POST /coupons", SILENT_BODY + token))
            for _ in range(MANY)
        ]
        assert server.make_coupon() > 0
        assert {answer_of(each) for each in silent} == {(408, "body-timeout")}


ENDS_EARLY = {
    "shorter than announced": (SILENT_BODY, BODY),
    "no last chunk": (CHUNKED, b"%x\r\n%s\r\n" % (len(BODY), BODY)),
    "a chunk without a size": (CHUNKED, b"%x\r\n%s\r\nno size\r\n" % (len(BODY), BODY)),
}


def test_a_body_that_ends_early_is_400_and_nothing_is_done(
    server: Server, token: str, database: Database
) -> None:
    for how, (framing, sent) in ENDS_EARLY.items():
        headers = f"Connection: close\r\n{framing}{token}"
        with opened(server, "POST /coupons", headers) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert answer_of(connection) == (400, "malformed-request"), how
    with psycopg.connect(database.url("coupon_owner")) as ledger:
        assert ledger.execute("SELECT count(*) FROM coupon").fetchone() == (0,)


def test_a_head_that_is_too_large_or_is_none_is_a_problem_and_is_counted(server: Server) -> None:
    close = "Connection: close\r\n"
    many = "".join(f"X-{number}: 1\r\n" for number in range(80))
    for target, headers, expected in (
        (
            "GET /healthz?" + "&".join(f"{n:x}=" for n in range(12_500))[:64_000],
            "",
            (414, "uri-too-long"),
        ),
        ("GET /healthz?a" + "&a" * 20, "", (422, "invalid")),
        ("GET /" + "x" * 2_000, "", (414, "uri-too-long")),
        ("GET /healthz?\N{EURO SIGN}", "", (400, "malformed-request")),
        ("GET /healthz", f"X: {'x' * 20_000}\r\n", (431, "headers-too-large")),
        ("GET /healthz", many, (431, "headers-too-large")),
    ):
        with opened(server, target, close + headers) as connection:
            assert answer_of(connection) == expected, target[:40]
    expected_counts = [
        f'coupon_api_requests_total{{route="none",status="{status}"}} {count}.0'
        for status, count in ((414, 2), (422, 1), (400, 1), (431, 2))
    ]
    eventually(lambda: set(expected_counts) <= set(server.manage("/metrics")[1].splitlines()))


def test_a_silent_connection_is_closed(environment: dict[str, str], bearer: Bearer) -> None:
    impatient = {**environment, "COUPON_API_IDLE_SECONDS": "1", "COUPON_API_WORKERS": "1"}
    with (
        running(impatient, bearer) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection,
    ):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert connection.recv(100) == b""
