"""What a request line with bytes beyond ASCII is answered, as docs/reference/api.md says it."""

import socket

import pytest

from tests.api.test_hostile_clients import answer_of
from tests.support.api_process import Server


def asked(server: Server, target: bytes) -> tuple[int, str]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(head)
        return answer_of(connection)


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/coupons/é".encode(), (404, "not-found")),
        (b"/coupons/\xff", (400, "")),
        (b"/coupons/%C3%A9", (404, "not-found")),
        (b"/coupons/%FF", (404, "not-found")),
        ("/coupons?after=é".encode(), (400, "malformed-request")),
        (b"/coupons?after=\xff", (400, "")),
    ],
)
def test_bytes_beyond_ascii_are_answered_as_documented(
    server: Server, target: bytes, answer: tuple[int, str]
) -> None:
    assert asked(server, target) == answer
