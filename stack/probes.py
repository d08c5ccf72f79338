"""Health checks of the servers: they work, not only their ports are open."""

import http.client
import socket
import struct

from stack.ports import HOST

_TIMEOUT_S = 2.0


def http_ok(port: int, path: str) -> bool:
    """Whether a GET answers 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def postgres_accepts(port: int) -> bool:
    """Whether Postgres asks for a password; during its recovery it refuses connections."""
    startup = struct.pack(">I", 196608) + b"user\0postgres\0database\0postgres\0\0"
    return _exchange(port, struct.pack(">I", len(startup) + 4) + startup, 1) == b"R"


def valkey_ready(port: int) -> bool:
    """Whether Valkey answers PING; while it loads its data it answers -LOADING."""
    return _exchange(port, b"PING\r\n", 5) == b"+PONG"


def kafka_ready(port: int) -> bool:
    """Whether the broker lists itself as alive: it has joined and is not fenced."""
    client = b"probe"
    header = struct.pack(">hhih", 3, 1, 1, len(client)) + client
    request = header + struct.pack(">i", 0)
    answer = _exchange(port, struct.pack(">i", len(request)) + request, 12)
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0


def _exchange(port: int, request: bytes, length: int) -> bytes:
    """Send a request and return the first bytes of the answer; empty: there is none."""
    try:
        with socket.create_connection((HOST, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                return answer.read(length)
    except OSError:
        return b""
