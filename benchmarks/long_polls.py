"""Clients that only wait: long polls for requests that stay REQUESTED while no consumer runs."""

import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import requests

from benchmarks.load import claim_requests, create_coupon, generate, new_users
from coupons.ids import request_id
from stack.disposable import DisposableStack

WAIT_SECONDS = 30
SEATED_WITHIN_SECONDS = 20.0
_WAITERS = re.compile(r"^coupon_api_waiters (\S+)$", re.MULTILINE)


def requests_in_flight(stack: DisposableStack, how_many: int) -> list[str]:
    """Have that many users claim; the HTTP requests that wait for their outcome."""
    coupon_id = create_coupon(stack)
    users = new_users(how_many)
    generate(stack, claim_requests(stack, coupon_id, users), connections=50, seconds=60)
    return [
        f"GET /issue-requests/{request_id(coupon_id, user)}?wait={WAIT_SECONDS} HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nAuthorization: Bearer {stack.token(user, 'coupon:issue')}\r\n\r\n"
        for user in users
    ]


@contextmanager
def open_long_polls(stack: DisposableStack, waiting: Sequence[str]) -> Iterator[None]:
    """Keep these open while the block runs, which must end within WAIT_SECONDS."""
    address = urlsplit(stack.environment["COUPON_API_URL"])
    with ExitStack() as open_sockets:
        for request in waiting:
            connection = socket.create_connection((address.hostname or "", address.port or 80))
            open_sockets.enter_context(connection)
            connection.sendall(request.encode())
        _await_seated(stack, len(waiting))
        yield


def _await_seated(stack: DisposableStack, how_many: int) -> None:
    deadline = time.monotonic() + SEATED_WITHIN_SECONDS
    seated = 0.0
    while time.monotonic() < deadline:
        management = stack.environment["COUPON_API_MANAGEMENT_URL"]
        metrics = requests.get(f"{management}/metrics", timeout=5).text
        found = _WAITERS.search(metrics)
        seated = float(found[1]) if found else 0.0
        if seated >= how_many:
            return
        time.sleep(0.1)
    raise TimeoutError(f"only {seated:.0f} of {how_many} long polls are waiting")
