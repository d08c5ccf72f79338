"""A large upload over a real connection: bounded in memory, size and time, all of it or nothing."""

import socket
from collections.abc import Iterator

import psycopg
import pytest

from coupons.tokens import SCOPES
from coupons.waiting import eventually
from tests.api.test_hostile_clients import answer_of
from tests.support.api_process import ADMIN, Bearer, Server, running
from tests.support.databases import Database

MIB = 2**20
UPLOAD_BYTES = 32 * MIB
BODY_SECONDS = 30.0
SOON_SECONDS = 1.0


@pytest.fixture
def server(
    environment: dict[str, str], bearer: Bearer, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """It gives a silent body up after 30 s, or as a test asks for."""
    limits = {
        "COUPON_API_UPLOAD_BYTES": str(UPLOAD_BYTES),
        "COUPON_API_UPLOAD_SECONDS": "200",
        "COUPON_API_BODY_SECONDS": str(getattr(request, "param", BODY_SECONDS)),
        "COUPON_API_WORKERS": "1",
    }
    with running({**environment, **limits}, bearer) as server:
        yield server


@pytest.fixture
def pool(server: Server) -> int:
    """A coupon whose codes come from a pool."""
    coupon_id = server.make_coupon()
    assert server.call("PUT", f"/coupons/{coupon_id}/codes", body='{"kind": "pool"}')[0] == 200
    return coupon_id


@pytest.fixture
def token(bearer: Bearer) -> str:
    return f"Authorization: {bearer(ADMIN, SCOPES)['Authorization']}\r\n"


def opened(server: Server, coupon_id: int, headers: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=200)
    head = f"POST /coupons/{coupon_id}/codes/pool HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    connection.sendall(f"{head}Content-Type: text/plain\r\n{headers}\r\n".encode())
    return connection


def in_pool(database: Database) -> int:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        row = owner.execute("SELECT count(*) FROM coupon_code").fetchone()
    assert row is not None
    return int(row[0])


def test_the_scope_is_checked_before_the_body_is_read(
    server: Server, pool: int, bearer: Bearer
) -> None:
    user = f"Authorization: {bearer(2, SCOPES[:1])['Authorization']}\r\n"
    for headers, expected in ((user, (403, "insufficient-scope")), ("", (401, "unauthenticated"))):
        with opened(server, pool, f"Content-Length: 9000\r\n{headers}") as connection:
            assert answer_of(connection) == expected


CUT = {
    "shorter than announced": ("Content-Length: 20000000\r\n", b"%s"),
    "no last chunk": ("Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n"),
}


@pytest.mark.parametrize("how", CUT)
def test_of_an_upload_that_is_cut_off_nothing_is_there(
    server: Server, pool: int, token: str, database: Database, how: str
) -> None:
    headers, form = CUT[how]
    lines = b"".join(b"CODE-%08d\n" % number for number in range(100_000))
    sent = form % ((len(lines), lines) if b"%x" in form else lines)
    with opened(server, pool, headers + token) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert answer_of(connection) == (400, "malformed-request")
    assert in_pool(database) == 0
    with opened(server, pool, headers + token) as connection:
        connection.sendall(sent)
    eventually(lambda: _upload(server, pool, token, lines)[0] == 200, 20, "the pool is free again")
    assert in_pool(database) == 100_000


def _upload(server: Server, pool: int, token: str, body: bytes) -> tuple[int, str]:
    with opened(server, pool, f"Content-Length: {len(body)}\r\n{token}") as connection:
        connection.sendall(body)
        return answer_of(connection)


@pytest.mark.parametrize("server", [SOON_SECONDS], indirect=True)
def test_a_slow_upload_is_408_and_a_large_one_413(
    server: Server, pool: int, token: str, database: Database
) -> None:
    with opened(server, pool, f"Content-Length: 90000\r\n{token}") as connection:
        connection.sendall(b"A\n" * 1_000)
        assert answer_of(connection) == (408, "body-timeout")
    with opened(server, pool, f"Content-Length: {UPLOAD_BYTES + 1}\r\n{token}") as connection:
        assert answer_of(connection) == (413, "body-too-large")
    assert in_pool(database) == 0


def _is_uploading(database: Database) -> bool:
    with psycopg.connect(database.superuser_url) as superuser:
        row = superuser.execute(
            "SELECT FROM pg_stat_activity WHERE application_name = 'coupon-api-upload'"
            " AND datname = %s AND state = 'idle in transaction'",
            [database.name],
        ).fetchone()
    return row is not None


def test_one_upload_runs_at_a_time_and_delays_nobody(
    server: Server, pool: int, token: str, database: Database
) -> None:
    """Of all coupons. Another one is refused at once, and other requests are answered meanwhile."""
    other = server.make_coupon()
    server.call("PUT", f"/coupons/{other}/codes", body='{"kind": "pool"}')
    with opened(server, pool, f"Content-Length: 90000\r\n{token}"):
        eventually(lambda: _is_uploading(database), 10, "the first one has begun")
        assert _upload(server, other, token, b"A\n") == (409, "codes-busy")
        assert server.claim(pool, 1)[0] == 202
        assert _is_uploading(database), "the first one goes on"
    eventually(lambda: _upload(server, other, token, b"A\n")[0] == 200, 20, "it is over when left")


def test_the_memory_of_the_api_does_not_grow_with_the_file(
    server: Server, pool: int, token: str, database: Database
) -> None:
    """A file of 19 MiB is uploaded with less than 10 MiB more than before."""
    [worker] = server.workers()
    _upload(server, pool, token, b"WARM\n" * 5_000)
    before = worker.memory_info().rss
    most, lines = before, 300_000
    with opened(server, pool, f"Content-Length: {65 * lines}\r\n{token}") as connection:
        for start in range(0, lines, 10_000):
            numbers = range(start, start + 10_000)
            connection.sendall(b"".join(b"CODE-%059d\n" % number for number in numbers))
            most = max(most, worker.memory_info().rss)
        assert answer_of(connection)[0] == 200
    most = max(most, worker.memory_info().rss)
    assert in_pool(database) == lines + 1
    assert most - before < 10 * MIB, f"{(most - before) / MIB:.0f} MiB"
