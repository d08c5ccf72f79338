"""Claims and uses as prepared HTTP requests, and the load generator that sends them."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count, islice
from typing import Any

from benchmarks.harness.target import Target
from benchmarks.load.generator import Job, Result
from coupons.ids import request_id

_users = count(1)


def new_users(how_many: int) -> list[int]:
    """Users that this run has not used yet."""
    return list(islice(_users, how_many))


def claim_request(coupon_id: int, token: str) -> str:
    """A complete HTTP request: a claim."""
    return f"POST /coupons/{coupon_id}/issue-requests HTTP/1.1\r\n{_headers(token)}" + (
        "Content-Length: 0\r\n\r\n"
    )


def use_request(coupon_id: int, user_id: int, token: str) -> str:
    """A complete HTTP request: an order uses the user's issued coupon."""
    body = json.dumps({"order_reference": f"order of {user_id}"})
    return (
        f"POST /issued-coupons/{request_id(coupon_id, user_id)}/use HTTP/1.1\r\n{_headers(token)}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def long_poll_request(request_id: str, token: str, wait_s: int) -> str:
    """A complete HTTP request: a long poll for an issue request."""
    return f"GET /issue-requests/{request_id}?wait={wait_s} HTTP/1.1\r\n{_headers(token)}\r\n"


def claim_requests(stack: Target, coupon_id: int, users: Sequence[int]) -> list[str]:
    """A claim by each of the users."""
    return [claim_request(coupon_id, stack.token(user, "coupon:issue")) for user in users]


def generate(
    stack: Target,
    requests: list[str],
    connections: int,
    seconds: float,
    rate: float | None = None,
    **options: Any,
) -> Result:
    """Send the requests from a separate process. options: of generator.Job."""
    job = Job(stack.environment["COUPON_API_URL"], requests, connections, seconds, rate, **options)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load.generator"],
        input=json.dumps(asdict(job)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = Result(**json.loads(done.stdout))
    found.statuses, found.outcomes = Counter(found.statuses), Counter(found.outcomes)
    return found


def _headers(token: str) -> str:
    return f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
