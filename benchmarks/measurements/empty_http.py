"""The rate of the HTTP server with a handler that does nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from benchmarks.harness.usage import processor_seconds
from benchmarks.load.claims import claim_requests, generate, new_users
from benchmarks.load.rounds import CONNECTIONS, FASTEST_PER_SECOND
from benchmarks.measurements.empty_server import BARE, FLASK
from stack.disposable import DisposableStack
from stack.ports import free_ports

READY_WITHIN_SECONDS = 60.0
STOP_SECONDS = 20.0
HANDLERS = {
    FLASK: "HTTP server, empty Flask view",
    BARE: "HTTP server, empty handler without Flask",
}


@dataclass(frozen=True)
class _EmptyApi:
    """The stack as a target, with another address of the API."""

    environment: Mapping[str, str]
    token: Callable[..., str]
    database_url: Callable[[str], str]


def measure_empty_server(
    stack: DisposableStack, kind: str, warm_up_s: float, seconds: float
) -> tuple[float, float]:
    """Responses a second over 100 connections, and microseconds of one core for a response.

    kind: one of HANDLERS. The requests are real claims; the handler does not read them.
    """
    port = free_ports(["api"])["api"]
    url = f"http://127.0.0.1:{port}"
    target = _EmptyApi(
        {**stack.environment, "COUPON_API_URL": url}, stack.token, stack.database_url
    )
    claims = claim_requests(target, 1, new_users(int(seconds * FASTEST_PER_SECOND)))
    with _empty_server(stack, kind, port) as pid:
        generate(target, claims, CONNECTIONS, warm_up_s)
        spent = processor_seconds(pid)
        result = generate(target, claims, CONNECTIONS, seconds)
        spent = processor_seconds(pid) - spent
    answered = result.statuses["202"]
    return answered / result.seconds, spent * 1e6 / answered


@contextmanager
def _empty_server(stack: DisposableStack, kind: str, port: int) -> Iterator[int]:
    """Run the server while the block runs; yields its process id."""
    settings = {
        "COUPON_API_HOST": "127.0.0.1",
        "COUPON_API_PORT": str(port),
        "COUPON_API_MANAGEMENT_PORT": str(free_ports(["management"])["management"]),
        "COUPON_JWT_KEY_FILE": str(stack.folder.secret_file("jwt.key")),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.measurements.empty_server", kind],
        env={**os.environ, **stack.environment, **settings},
    )
    try:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not _answers(f"http://127.0.0.1:{port}/healthz"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the empty server does not answer")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False
