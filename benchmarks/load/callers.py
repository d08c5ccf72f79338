"""Calls of one component in batches, from a separate process, as a worker of the API makes them.

python -m benchmarks.load.callers < job.json > result.json
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import count, islice

from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import find_coupon
from coupons.ledger.requests import accept_requests
from coupons.model import Admission, Claim

GATE, LEDGER = "gate", "ledger"
USERS_PER_COUPON = 5_000
"""Then the next coupon is used: as at full load, few claims are pending for one coupon."""
EPOCH = 1
_START_SECONDS = 2.0


@dataclass(frozen=True)
class Job:
    """Which component to call at which URL, in batches of which size, and for how long.

    Users are first_user, first_user + step, ...: parallel callers share the numbers.
    begins_at: seconds since 1970, so that all callers begin together.
    """

    component: str
    url: str
    coupon_ids: Sequence[int]
    batch: int
    first_user: int
    step: int
    begins_at: float
    seconds: float


@dataclass(frozen=True)
class Called:
    """items: claims or rows. processor_s: processor seconds of the caller while it called."""

    items: int
    seconds: float
    processor_s: float


def call_side_by_side(
    component: str,
    url: str,
    coupon_ids: Sequence[int],
    batch: int,
    callers: int,
    first_user: int,
    seconds: float,
) -> list[Called]:
    """Run that many callers in parallel. Raises CalledProcessError when one fails."""
    begins_at = time.time() + _START_SECONDS
    running = []
    for number in range(callers):
        job = Job(
            component, url, coupon_ids, batch, first_user + number, callers, begins_at, seconds
        )
        command = [sys.executable, "-m", "benchmarks.load.callers"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(job)))
        process.stdin.close()
        process.stdin = None
        running.append(process)
    found = []
    for process in running:
        output, _ = process.communicate()
        if process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, process.args)
        found.append(Called(**json.loads(output)))
    return found


def run(job: Job) -> Called:
    """Call until the time is over. Raises RuntimeError when a claim is refused."""
    call = _gate(job.url) if job.component == GATE else _ledger(job.url)
    users = count(job.first_user, job.step)
    turns = count()

    def call_once() -> None:
        turn = next(turns) * job.batch // USERS_PER_COUPON
        call(job.coupon_ids[turn % len(job.coupon_ids)], list(islice(users, job.batch)))

    call_once()  # connects, and loads the script or makes the plan
    time.sleep(max(0.0, job.begins_at - time.time()))
    items = 0
    began, spent = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < job.seconds:
        call_once()
        items += job.batch
    return Called(items, time.perf_counter() - began, time.process_time() - spent)


def _gate(url: str) -> Callable[[int, list[int]], None]:
    gate = connect_gate(url)

    def admit(coupon_id: int, users: list[int]) -> None:
        decisions = gate.admit([Claim(coupon_id, user) for user in users])
        if not all(isinstance(each, Admission) and not each.repeated for each in decisions):
            raise RuntimeError(f"the gate did not admit all of a batch of coupon {coupon_id}")

    return admit


def _ledger(url: str) -> Callable[[int, list[int]], None]:
    connection = connect_ledger(url, "coupon-benchmark")

    @cache
    def epoch_of(coupon_id: int) -> int:
        coupon = find_coupon(connection, coupon_id)
        return coupon.gate_epoch if coupon else EPOCH

    def accept(coupon_id: int, users: list[int]) -> None:
        now_us = time.time_ns() // 1000
        epoch = epoch_of(coupon_id)
        admissions = [Admission(coupon_id, user, now_us, epoch, False) for user in users]
        if accept_requests(connection, admissions) != {coupon_id}:
            raise RuntimeError(f"the ledger did not accept a batch of coupon {coupon_id}")

    return accept


def main() -> None:
    """Read a job from standard input, write a Called to standard output, both as JSON."""
    json.dump(asdict(run(Job(**json.load(sys.stdin)))), sys.stdout)


if __name__ == "__main__":
    main()
