"""A flood of far more claims than the machine carries: who is accepted, how fast, and what then.

The flood is wrk with thousands of connections, each of which claims again at once, whatever
Retry-After says. Beside it, a few clients claim at a fixed rate: their answers are timed.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil

from benchmarks.harness.progress import progress
from benchmarks.load.claims import claim_requests, generate, new_users
from benchmarks.load.coupons import create_coupon
from benchmarks.load.generator import Result
from benchmarks.load.rounds import CONNECTIONS, FASTEST_PER_SECOND
from benchmarks.load.wrk import wrk_claims_per_second
from coupons.gate.delays import percentile
from stack.disposable import DisposableStack
from stack.memory import resident_bytes

TIMED_PER_SECOND = 100
NORMAL_MS = 100.0
"""A second is normal when 95 of 100 answers come within this."""
_SETTLE_SECONDS = 1.5
"""Until the flood has opened its connections."""
_AFTER_SECONDS = 6
_SCRIPT = Path(__file__).parents[1] / "load" / "flood.lua"


class Overload(NamedTuple):
    """best_per_s: claims a second over 100 connections. The times are those of the timed clients
    that were accepted, in milliseconds; None: none was. mib: of the API, before and in the flood.
    normal_after_s: seconds from the end of the flood until each is normal.
    """

    connections: int
    best_per_s: float
    accepted_per_s: float
    refused_per_s: float
    errors: int
    p50_ms: float | None
    p99_ms: float | None
    mib: tuple[float, float]
    normal_after_s: int


def measure_overload(
    stack: DisposableStack, connections: Sequence[int], seconds: int
) -> list[Overload]:
    """A flood of `seconds` for each number of connections. Needs wrk."""
    found = []
    for each in connections:
        progress(f"overload: {each:,} connections")
        best = wrk_claims_per_second(
            stack, create_coupon(stack), CONNECTIONS, seconds, seconds * FASTEST_PER_SECOND
        )
        assert best is not None, "wrk is missing"
        found.append(_flooded(stack, each, seconds, best))
    return found


def _flooded(stack: DisposableStack, connections: int, seconds: int, best: float) -> Overload:
    coupon_id = create_coupon(stack)
    api = psutil.Process(stack.pid("api"))
    before = resident_bytes(api) / 2**20
    timed_for = max(1, seconds - 3)
    with TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        users = new_users(seconds * FASTEST_PER_SECOND)
        tokens.write_text("\n".join(stack.token(user, "coupon:issue") for user in users), "ascii")
        timed = claim_requests(stack, coupon_id, new_users(TIMED_PER_SECOND * timed_for))
        after = claim_requests(stack, coupon_id, new_users(TIMED_PER_SECOND * _AFTER_SECONDS))
        with _flood(stack, coupon_id, connections, seconds, tokens) as flood:
            time.sleep(_SETTLE_SECONDS)
            result = generate(stack, timed, CONNECTIONS, timed_for, TIMED_PER_SECOND)
            peak = resident_bytes(api) / 2**20
            printed, _ = flood.communicate()
        calm = generate(stack, after, CONNECTIONS, _AFTER_SECONDS, TIMED_PER_SECOND)
    counted = json.loads(printed.splitlines()[-1])
    return Overload(
        connections,
        best,
        counted["accepted"] / seconds,
        counted["refused"] / seconds,
        counted["errors"] + counted["others"],
        percentile(result.accepted_ms, 50),
        percentile(result.accepted_ms, 99),
        (before, peak),
        _normal_after_s(calm),
    )


def _flood(
    stack: DisposableStack, coupon_id: int, connections: int, seconds: int, tokens: Path
) -> "subprocess.Popen[str]":
    wrk = shutil.which("wrk")
    assert wrk is not None
    url = f"{stack.environment['COUPON_API_URL']}/coupons/{coupon_id}/issue-requests"
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=20s"]
    return subprocess.Popen(
        [*command, "-s", _SCRIPT.name, url, "--", str(tokens)],
        cwd=_SCRIPT.parent,
        stdout=subprocess.PIPE,
        text=True,
    )


def _normal_after_s(calm: Result) -> int:
    if not calm.latencies_ms:
        return _AFTER_SECONDS
    by_second = [
        calm.latencies_ms[at : at + TIMED_PER_SECOND]
        for at in range(0, len(calm.latencies_ms), TIMED_PER_SECOND)
    ]
    slow = [at for at, ms in enumerate(by_second, 1) if (percentile(ms, 95) or 0.0) > NORMAL_MS]
    return max(slow, default=0)
