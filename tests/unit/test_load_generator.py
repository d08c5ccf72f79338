"""The load generator counts what happened, also where a connection breaks or a user has to wait."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.load.generator import Job, run
from tests.support.http_servers import serving

CLAIM = "POST /claim/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"
WAIT = "GET /wait/{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class _Server(BaseHTTPRequestHandler):
    """Accepts even users, refuses odd ones; user 4 has to ask twice; breaks off at user 6."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self) -> None:
        user = int(self.path.rpartition("/")[2])
        if user == 6:
            self.close_connection = True
            return
        self._answer(202, "REQUESTED") if user % 2 == 0 else self._answer(409, "sold_out")

    def do_GET(self) -> None:
        again = self.path == "/wait/4" and _Server.asked == 0
        _Server.asked += self.path == "/wait/4"
        self._answer(200, "REQUESTED" if again else "ISSUED")

    def _answer(self, status: int, text: str) -> None:
        body = json.dumps({"status": text}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def _served() -> Iterator[str]:
    _Server.asked = 0
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _Server)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def _job(url: str, users: list[int], **options: object) -> Job:
    return Job(url, [CLAIM.format(user) for user in users], 2, 30.0, **options)  # type: ignore[arg-type]


def test_accepted_claims_are_told_apart_by_their_place() -> None:
    with _served() as url:
        result = run(_job(url, [1, 2, 3, 4]))
    assert result.statuses == {"202": 2, "409": 2}
    assert sorted(result.accepted) == [1, 3]
    assert len(result.latencies_ms) == 4


def test_users_wait_until_their_result_is_final() -> None:
    users = [1, 2, 4]
    with _served() as url:
        result = run(_job(url, users, follow=[WAIT.format(user) for user in users]))
    assert result.outcomes == {"409": 1, "ISSUED": 2}
    assert len(result.known_ms) == 3
    assert _Server.asked == 2


def test_a_broken_connection_is_an_error_and_the_load_goes_on() -> None:
    with _served() as url:
        result = run(_job(url, [6, 6, 6, 2, 4, 8], reconnect=True))
    assert result.statuses == {"error": 3, "202": 3}
    assert sorted(result.accepted) == [3, 4, 5]


def test_a_broken_connection_ends_a_load_that_does_not_expect_it() -> None:
    with _served() as url, pytest.raises(ConnectionError):
        run(_job(url, [6]))


def test_a_user_pauses_between_claims() -> None:
    with _served() as url:
        result = run(_job(url, [2] * 6, pause_seconds=0.1))
    assert result.seconds >= 0.2


def test_load_goes_to_this_machine_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        run(Job("http://192.0.2.1:80", [], 1, 1.0))
