"""The API as a process of its own, and a client of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil

from coupons.tokens import SCOPES
from coupons.waiting import eventually
from stack.applications import api_workers

ROOT = Path(__file__).parents[2]
STARTS_WITHIN_SECONDS = ENDS_WITHIN_SECONDS = 60.0
"""On a busy machine, on which three processes import the API at once."""
ADMIN = 1

Bearer = Callable[..., dict[str, str]]


class Server:
    """A running `python -m api` and a way to talk to it."""

    def __init__(
        self, process: subprocess.Popen[bytes], environment: Mapping[str, str], bearer: Bearer
    ) -> None:
        self.process = process
        self.port = int(environment["COUPON_API_PORT"])
        self.management_port = int(environment["COUPON_API_MANAGEMENT_PORT"])
        self._bearer = bearer

    def call(self, method: str, path: str, user: int = ADMIN, body: str | None = None) -> Any:
        """Status, headers and body. Raises OSError or HTTPException when there is no answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = self._bearer(user, SCOPES) | {"Content-Type": "application/json"}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def manage(self, path: str) -> tuple[int, str]:
        """Status and body of a page of the management address; (0, "") while nobody is there."""
        connection = HTTPConnection("127.0.0.1", self.management_port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionError:
            return 0, ""
        finally:
            connection.close()

    def workers(self) -> list[psutil.Process]:
        """The processes that serve."""
        return api_workers(psutil.Process(self.process.pid))

    def make_coupon(self) -> int:
        status, headers, _ = self.call(
            "POST", "/coupons", body='{"name": "of a test", "total_quantity": 1000000}'
        )
        assert status == 201
        return int(headers["Location"].rpartition("/")[2])

    def claim(self, coupon_id: int, user: int) -> Any:
        return self.call("POST", f"/coupons/{coupon_id}/issue-requests", user)


def start(
    environment: Mapping[str, str], stderr: int | None = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """stderr: a pipe is for those that end soon: nobody reads it meanwhile, and it fills up."""
    return subprocess.Popen(
        [sys.executable, "-m", "api"],
        env=dict(environment),
        cwd=ROOT,
        stderr=stderr,
        start_new_session=True,
    )


@contextmanager
def running(environment: Mapping[str, str], bearer: Bearer) -> Iterator[Server]:
    process = start(environment, stderr=None)
    server = Server(process, environment, bearer)
    try:
        eventually(
            lambda: server.call("GET", "/healthz")[0] == 200, STARTS_WITHIN_SECONDS, "it is alive"
        )
        eventually(
            lambda: server.manage("/metrics")[0] == 200,
            STARTS_WITHIN_SECONDS,
            "its management answers",
        )
        yield server
    finally:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN_SECONDS)
        finally:
            with suppress(ProcessLookupError):  # nobody is left of it, as it should be
                os.killpg(process.pid, signal.SIGKILL)
