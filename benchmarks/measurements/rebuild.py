"""`coupon gate rebuild`, from the ledger: rows a second, and memory of the process."""

import os
import subprocess
import sys
import time
from typing import NamedTuple

import psycopg
import redis

from stack.disposable import DisposableStack, disposable_stack

WITHIN_SECONDS = 20.0
_COUPON_ID = 1
_EMPTY_COUPON_ID = 2
_FILL = (
    "INSERT INTO coupon (coupon_id, name, total_quantity, issued_count, rejected_count)"
    " VALUES (2, 'empty', 1, 0, 0), (1, 'of the benchmark', {total}, {total} * 9 / 10, 0)",
    "INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)"
    " SELECT 1, n::bigint * 7919, clock_timestamp() FROM generate_series(1, {total}) AS n",
    "INSERT INTO issued_coupon (user_id, coupon_id, requested_at)"
    " SELECT user_id, 1, requested_at FROM coupon_issue_request WHERE user_id % 10 < 9",
)


class Rebuild(NamedTuple):
    """seconds: of the command, the start of Python included.

    peak_mib: the most memory that the process had; idle_mib: the same for an empty coupon.
    """

    requests: int
    seconds: float
    peak_mib: float
    idle_mib: float

    @property
    def rows_per_s(self) -> float:
        """Requests loaded a second."""
        return self.requests / self.seconds


def measure_rebuild(requests: int, rounds: int) -> list[Rebuild]:
    """Write requests of one coupon, nine of ten issued; each round rebuilds an empty gate."""
    with disposable_stack("--servers-only") as stack:
        stack.stop("connect", "registry", "kafka")
        with psycopg.connect(stack.database_url("owner")) as owner:
            for statement in _FILL:
                owner.execute(statement.format(total=requests))
        return [_measure(stack, requests) for _ in range(rounds)]


def _measure(stack: DisposableStack, requests: int) -> Rebuild:
    redis.Redis.from_url(stack.environment["COUPON_REDIS_URL"]).flushall()
    _, idle_mib = _run(stack, _EMPTY_COUPON_ID)
    seconds, peak_mib = _run(stack, _COUPON_ID)
    return Rebuild(requests, seconds, peak_mib, idle_mib)


def _run(stack: DisposableStack, coupon_id: int) -> tuple[float, float]:
    """Seconds and peak MiB of the command."""
    arguments = ["gate", "rebuild", "--coupon", str(coupon_id), "--state", str(stack.folder.path)]
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "cli", *arguments, "--json"])
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"coupon gate rebuild ended with {child.returncode}")
    return seconds, usage.ru_maxrss / 1024
