"""What a request line with bytes beyond ASCII is answered, as docs/reference/api.md says it."""

import socket

from tests.api.test_hostile_clients import answer_of
from tests.support.api_process import Server

ANSWERS = {
    "/coupons/é".encode(): (404, "not-found"),
    b"/coupons/\xff": (400, ""),
    b"/coupons/%C3%A9": (404, "not-found"),
    b"/coupons/%FF": (404, "not-found"),
    "/coupons?after=é".encode(): (400, "malformed-request"),
    b"/coupons?after=\xff": (400, ""),
}


def asked(server: Server, target: bytes, header: bytes = b"X: y") -> tuple[int, str]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        head += header + b"\r\n\r\n"
        connection.sendall(head)
        return answer_of(connection)


def test_bytes_beyond_ascii_are_answered_as_documented(server: Server) -> None:
    assert {target: asked(server, target) for target in ANSWERS} == ANSWERS


def test_a_header_that_protects_is_refused_beyond_ascii_and_not_left_out(server: Server) -> None:
    """An Idempotency-Key or If-Match that is left out would protect nothing."""
    for value in ("é".encode(), b"\xff", b'"1", "\x80"'):
        for name in (b"If-Match", b"Idempotency-Key"):
            answer = asked(server, b"/coupons", name + b": " + value)
            assert answer == (400, "malformed-request"), (name, value)
        answer = asked(server, b"/coupons", b"X-City: " + value)
        assert answer == (401, "unauthenticated"), "proxies add headers of their own"
