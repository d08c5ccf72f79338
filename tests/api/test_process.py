"""The API as a process: its start, its stop, and servers that come and go under it."""

import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from itertools import count
from threading import Event

import psutil
import pytest

from chaos.link import Link
from coupons.gate import connect_gate
from coupons.model import IssueRequest, Status
from coupons.tokens import SCOPES
from coupons.waiting import eventually
from tests.support.api import RETRY_AFTER
from tests.support.api_process import ADMIN, STARTS_WITHIN_SECONDS, Bearer, Server, running, start

Rows = Callable[[int], int]


def test_stopping_in_the_middle_of_claims_cuts_none_off(server: Server, rows: Rows) -> None:
    """Every claim got its answer or no connection, and the rows are exactly the 202s."""
    coupon_id = server.make_coupon()
    users, stopped, statuses = count(1), Event(), []

    def claim_until_nobody_answers() -> None:
        while not stopped.is_set():
            try:
                statuses.append(server.claim(coupon_id, next(users))[0])
            except (OSError, HTTPException):
                return

    with ThreadPoolExecutor(16) as threads:
        clients = [threads.submit(claim_until_nobody_answers) for _ in range(16)]
        eventually(lambda: len(statuses) > 200, 20, "claims are flowing")
        server.process.terminate()
        assert server.process.wait(15) == 0
        stopped.set()
        for client in clients:
            client.result()
    assert set(statuses) == {202}
    assert rows(coupon_id) == len(statuses)


def test_a_draining_server_leaves_the_load_balancer_first(
    environment: dict[str, str], bearer: Bearer
) -> None:
    """Claims are taken as before; a second signal ends it before the time is over."""
    with running({**environment, "COUPON_API_DRAIN_SECONDS": "60"}, bearer) as server:
        coupon_id = server.make_coupon()
        server.process.terminate()
        eventually(lambda: server.manage("/readyz") == (0, ""), 10, "it is not ready any more")
        for user in range(1, 20):
            assert server.claim(coupon_id, user)[0] == 202
        assert server.process.poll() is None
        server.process.terminate()
        assert server.process.wait(15) == 0


def test_a_draining_server_ends_by_itself(environment: dict[str, str], bearer: Bearer) -> None:
    with running({**environment, "COUPON_API_DRAIN_SECONDS": "0.5"}, bearer) as server:
        server.process.terminate()
        assert server.process.wait(15) == 0


def test_stopping_while_workers_start_is_as_quick(environment: dict[str, str]) -> None:
    process = start(environment)
    main = psutil.Process(process.pid)
    eventually(
        lambda: len(main.children()) == 3,
        STARTS_WITHIN_SECONDS,
        "management and workers are being started",
    )
    process.terminate()
    process.communicate(timeout=8)
    assert process.returncode == 0


def test_stopping_sends_long_polls_away_and_does_not_wait_for_them(server: Server) -> None:
    coupon_id = server.make_coupon()
    _, headers, _ = server.claim(coupon_id, 1)
    with ThreadPoolExecutor(1) as threads:
        poll = threads.submit(server.call, "GET", f"{headers['Location']}?wait=30", 1)
        eventually(lambda: "coupon_api_waiters 1.0" in server.manage("/metrics")[1], 10)
        server.process.terminate()
        status, _, body = poll.result(8)
    assert (status, '"REQUESTED"' in body) == (200, True)
    assert server.process.wait(10) == 0


def test_a_long_poll_of_one_worker_is_told_whoever_claimed(server: Server, valkey_url: str) -> None:
    coupon_id = server.make_coupon()
    locations = [server.claim(coupon_id, user)[1]["Location"] for user in range(1, 9)]
    with ThreadPoolExecutor(8) as threads:
        polls = [
            threads.submit(server.call, "GET", f"{location}?wait=20", user)
            for user, location in enumerate(locations, start=1)
        ]
        eventually(lambda: "coupon_api_waiters 8.0" in server.manage("/metrics")[1], 10)
        gate = connect_gate(valkey_url)
        gate.settle(IssueRequest(coupon_id, user, 1, Status.ISSUED) for user in range(1, 9))
        assert all('"ISSUED"' in poll.result(10)[2] for poll in polls)


def test_it_starts_without_its_servers_and_works_once_they_are_there(
    environment: dict[str, str], bearer: Bearer, redis_link: Link, postgres_link: Link
) -> None:
    redis_link.cut()
    postgres_link.cut()
    with running(environment, bearer) as server:
        eventually(lambda: server.manage("/readyz")[0] == 503, 20, "not ready")
        status, headers, _ = server.claim(1, 1)
        assert (status, headers["Retry-After"] in RETRY_AFTER) == (503, True)
        redis_link.restore()
        postgres_link.restore()
        eventually(lambda: server.manage("/readyz")[0] == 200, 20, "ready")
        assert server.claim(server.make_coupon(), 1)[0] == 202


def test_it_recovers_from_losing_both_servers_without_a_restart(
    server: Server, redis_link: Link, postgres_link: Link
) -> None:
    coupon_id = server.make_coupon()
    users = count(1)
    for link in (redis_link, postgres_link):
        assert server.claim(coupon_id, next(users))[0] == 202
        link.cut()
        with ThreadPoolExecutor(8) as threads:
            answers = [threads.submit(server.claim, coupon_id, next(users)) for _ in range(8)]
            assert {answer.result()[0] for answer in answers} == {503}
        link.restore()
        eventually(lambda: server.claim(coupon_id, next(users))[0] == 202, 10, "claims again")


def test_liveness_does_not_wait_for_requests_that_hang(
    environment: dict[str, str], bearer: Bearer, postgres_link: Link
) -> None:
    """Liveness does not wait for requests that wait for a server that hangs."""
    few = {**environment, "COUPON_API_WORKERS": "1", "COUPON_API_THREADS": "1"}
    with running(few, bearer) as server, ThreadPoolExecutor(1) as threads:
        assert server.call("GET", "/coupons/1")[0] == 404  # it is connected
        postgres_link.silence()
        stuck = threads.submit(server.call, "GET", "/coupons/1")
        eventually(lambda: postgres_link.withheld, 10, "Postgres is asked")
        assert server.call("GET", "/healthz")[0] == 200
        assert not stuck.done()
        assert stuck.result()[0] == 503


BODY = b'{"name": "of a test", "total_quantity": 1}'


FRAMED = {
    "chunked": ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), 201),
    "by length": (f"Content-Length: {len(BODY)}", BODY, 201),
    "length twice": (f"Content-Length: {len(BODY)}\r\nContent-Length: {len(BODY)}", BODY, 201),
    "no ASCII": (f"Content-Length: {len(BODY)}\r\nX-Name: caf\xe9", BODY, 201),
    "too large": ("Transfer-Encoding: chunked", b"5000\r\n%s\r\n0\r\n\r\n" % (b"x" * 0x5000), 413),
    "announced": (f"Content-Length: {0x5000}", b"x" * 0x5000, 413),
    "no number": ("Content-Length: x", b"", 400),
}


def test_a_body_is_read_however_it_is_framed(server: Server, bearer: Bearer) -> None:
    head = (
        "POST /coupons HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Type: application/json\r\n"
        f"Authorization: {bearer(ADMIN, SCOPES)['Authorization']}\r\n"
    )
    for how, (framing, body, status) in FRAMED.items():
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(f"{head}{framing}\r\n\r\n".encode("latin-1") + body)
            answer = connection.makefile("rb").readline()
        assert answer.startswith(b"HTTP/1.1 %d " % status), (how, answer)


def test_nothing_outlives_a_server_that_was_killed(server: Server) -> None:
    processes = psutil.Process(server.process.pid).children(recursive=True)
    assert len(processes) >= 3
    server.process.kill()
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    [victim, *_] = server.workers()
    os.kill(victim.pid, signal.SIGKILL)
    eventually(lambda: len([each for each in server.workers() if each.pid != victim.pid]) == 2, 15)
    eventually(lambda: server.manage("/readyz")[0] == 200, 10)


@pytest.mark.parametrize("variable", ["COUPON_API_PORT", "COUPON_API_MANAGEMENT_PORT"])
def test_a_port_that_is_taken_is_refused_and_named(
    environment: dict[str, str], variable: str
) -> None:
    with socket.create_server(("127.0.0.1", int(environment[variable]))):
        process = start(environment)
        _, error = process.communicate(timeout=STARTS_WITHIN_SECONDS)
    assert process.returncode == 2
    assert variable in error.decode()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COUPON_DATABASE_URL", None),
        ("COUPON_DATABASE_URL", "mysql://root:of-a-test@localhost/x"),
        ("COUPON_REDIS_URL", "localhost"),
        ("COUPON_API_PORT", "http"),
        ("COUPON_API_PORT", "70000"),
        ("COUPON_JWT_ALGORITHM", "none"),
        ("COUPON_JWT_KEY_FILE", "/nowhere/at/all"),
        ("COUPON_JWT_KEY_FILE", None),
        ("COUPON_JWT_KEY_SETS", "issuer=ftp://user:of-a-test@localhost/x"),
        ("COUPON_RECEIPT_KEY_FILE", "/nowhere/at/all"),
        ("COUPON_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_setting_is_named_without_its_secret(
    environment: dict[str, str], variable: str, value: str | None
) -> None:
    """A wrong setting is named without its secret and the exit code is 2."""
    changed = {name: held for name, held in environment.items() if name != variable}
    process = start(changed if value is None else {**changed, variable: value})
    _, error = process.communicate(timeout=STARTS_WITHIN_SECONDS)
    assert process.returncode == 2
    assert variable in error.decode()
    assert "of-a-test" not in error.decode()
    assert "Traceback" not in error.decode()
