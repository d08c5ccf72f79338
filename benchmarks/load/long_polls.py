"""Open long polls: for requests that stay REQUESTED while no consumer runs."""

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import requests

from benchmarks.load.claims import claim_requests, generate, long_poll_request, new_users
from benchmarks.load.coupons import create_coupon
from coupons.ids import request_id
from coupons.waiting import attempts
from stack.disposable import DisposableStack

WAIT_SECONDS = 30
OPEN_WITHIN_SECONDS = 20.0
_WAITERS = re.compile(r"^coupon_api_waiters (\S+)$", re.MULTILINE)


def long_polls_of_new_requests(stack: DisposableStack, how_many: int) -> list[str]:
    """Have that many users claim; return an HTTP request for each: a long poll for its outcome."""
    coupon_id = create_coupon(stack)
    users = new_users(how_many)
    generate(stack, claim_requests(stack, coupon_id, users), connections=50, seconds=60)
    return [
        long_poll_request(
            str(request_id(coupon_id, user)), stack.token(user, "coupon:issue"), WAIT_SECONDS
        )
        for user in users
    ]


@contextmanager
def open_long_polls(stack: DisposableStack, long_polls: Sequence[str]) -> Iterator[None]:
    """Keep these open while the block runs, which must end within WAIT_SECONDS."""
    address = urlsplit(stack.environment["COUPON_API_URL"])
    with ExitStack() as open_sockets:
        for request in long_polls:
            connection = socket.create_connection((address.hostname or "", address.port or 80))
            open_sockets.enter_context(connection)
            connection.sendall(request.encode())
        _await_waiters(stack, len(long_polls))
        yield


def _await_waiters(stack: DisposableStack, how_many: int) -> None:
    waiters = 0.0
    management = stack.environment["COUPON_API_MANAGEMENT_URL"]
    for _ in attempts(OPEN_WITHIN_SECONDS, 0.1):
        found = _WAITERS.search(requests.get(f"{management}/metrics", timeout=5).text)
        waiters = float(found[1]) if found else 0.0
        if waiters >= how_many:
            return
    raise TimeoutError(f"only {waiters:.0f} of {how_many} long polls are open")
