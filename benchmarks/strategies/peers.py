"""The other designs as running systems beside the embedded stack's own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import requests

from benchmarks.embedded import EmbeddedStack
from benchmarks.running import Target
from benchmarks.strategies.outbox import create_tables
from stack.ports import free_ports

OURS = "cdc"
READY_WITHIN_SECONDS = 60.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.1

_WORKER_ROLES = {"redis_queue": "consumer", "outbox": "api"}
"""Which strategies have a process of their own besides the API, and its Postgres role."""


class Peer:
    """A stack with another design's API in place of its own."""

    def __init__(self, stack: EmbeddedStack, api_url: str) -> None:
        self.environment = {**stack.environment, "COUPON_API_URL": api_url}
        self.token = stack.token
        self.database_url = stack.database_url


@contextmanager
def running_peers(stack: EmbeddedStack) -> Iterator[dict[str, Target]]:
    """Start what each design needs beside the stack; by name, ours (the stack itself) the last."""
    create_tables(stack.database_url("owner"))
    # It would find issued coupons without a request, and rebuild the gate again and again.
    stack.stop("reconciler")
    with ExitStack() as running:
        peers: dict[str, Target] = {}
        for name in ("redis_queue", "redis_kafka", "outbox"):
            url = running.enter_context(_running_api(stack, name))
            if name in _WORKER_ROLES:
                role = stack.database_url(_WORKER_ROLES[name])
                settings = {"COUPON_DATABASE_URL": role}
                running.enter_context(_process(stack, ("worker", name), settings))
            peers[name] = Peer(stack, url)
        yield {**peers, OURS: stack}


@contextmanager
def _running_api(stack: EmbeddedStack, name: str) -> Iterator[str]:
    port = free_ports(["api"])["api"]
    url = f"http://127.0.0.1:{port}"
    settings = {
        "COUPON_DATABASE_URL": stack.database_url("api"),
        "COUPON_API_PORT": str(port),
        "COUPON_JWT_KEY_FILE": str(stack.folder.secret_file("jwt.key")),
    }
    with _process(stack, ("api", name), settings):
        _await_ready(url)
        yield url


@contextmanager
def _process(
    stack: EmbeddedStack, arguments: tuple[str, ...], settings: Mapping[str, str]
) -> Iterator[None]:
    environment = {**os.environ, **stack.environment, "COUPON_LOG_LEVEL": "WARNING", **settings}
    command = [sys.executable, "-m", "benchmarks.strategies", *arguments]
    process = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _await_ready(url: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        try:
            requests.get(f"{url}/readyz", timeout=1).raise_for_status()
            return
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
