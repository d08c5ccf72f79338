"""A list of users for a coupon: from a file to the gate, its memory, and its part of a claim."""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import NamedTuple

import psutil

from benchmarks.load.coupons import create_coupon
from coupon_client import CouponClient
from coupons.gate import Gate, connect_gate
from coupons.ids import FIRST_ERASED_ID
from coupons.model import Admission, Claim
from stack.disposable import DisposableStack, disposable_stack

CLAIMS = 20_000
BATCH = 100
_SAMPLE_SECONDS = 0.05


class AudienceLoad(NamedTuple):
    """seconds: from the first byte sent until claims are decided by the list.

    api_mib: the most memory of the API's largest process meanwhile. gate_bytes: of Redis, for each
    user. listed_us, refused_us: of Redis, for a claim of a listed user, and of another one.
    """

    ids: str
    users: int
    file_mib: float
    seconds: float
    api_mib: float
    gate_bytes: float
    listed_us: float
    refused_us: float


def measure_audience(users: int) -> tuple[float, list[AudienceLoad]]:
    """Microseconds of a claim of a coupon without a list, and a list of small and of any ids."""
    any_id = random.Random(1)
    kinds = {
        f"1 to {users:,}": range(1, users + 1),
        "63-bit, random": _any_ids(any_id, users),
    }
    with disposable_stack() as stack:
        stack.stop("connect", "registry", "kafka", "consumer")
        gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
        without_us = _claim_us(gate, create_coupon(stack), _any_ids(random.Random(2), CLAIMS))
        return without_us, [_measure(stack, gate, ids, found) for ids, found in kinds.items()]


def _measure(stack: DisposableStack, gate: Gate, ids: str, users: Sequence[int]) -> AudienceLoad:
    coupon_id, url = create_coupon(stack), stack.environment["COUPON_API_URL"]
    with TemporaryDirectory(prefix="coupon-bench-") as folder:
        file = Path(folder) / "users.txt"
        file.write_text("".join(f"{user}\n" for user in users))
        size = file.stat().st_size
        before = _used(gate)
        with CouponClient(url, stack.token(1, "coupon:admin")) as client, _peak(stack) as peak:
            began = time.monotonic()
            uploaded = client.upload_audience(coupon_id, file)
            seconds = time.monotonic() - began
    if not uploaded.audience.is_effective:
        raise RuntimeError("the list did not become effective")
    held = _used(gate) - before
    picked = random.Random(3)
    refused_us = _claim_us(gate, coupon_id, _any_ids(picked, CLAIMS))
    listed_us = _claim_us(gate, coupon_id, picked.sample(users, CLAIMS))
    number = uploaded.audience.size or 0
    return AudienceLoad(
        *(ids, number, size / 2**20, seconds, max(peak) / 2**20, held / number),
        *(listed_us, refused_us),
    )


def _any_ids(chosen: random.Random, number: int) -> list[int]:
    """Of all that a user may have: of so many that none is there twice, or on a list by chance."""
    return [chosen.randrange(1, FIRST_ERASED_ID) for _ in range(number)]


def _claim_us(gate: Gate, coupon_id: int, users: Sequence[int]) -> float:
    """Processor time of Redis for a claim, in batches of BATCH; half of the claims warm it up."""
    claims = [Claim(coupon_id, user) for user in users]
    half = len(claims) // 2
    _admit(gate, claims[:half])
    before = _spent_us(gate)
    _admit(gate, claims[half:])
    return (_spent_us(gate) - before) / (len(claims) - half)


def _admit(gate: Gate, claims: Sequence[Claim]) -> None:
    for start in range(0, len(claims), BATCH):
        decisions = gate.admit(claims[start : start + BATCH])
        assert len({isinstance(each, Admission) for each in decisions}) == 1, decisions


def _spent_us(gate: Gate) -> float:
    found = gate.client.info("cpu")
    return (float(found["used_cpu_user"]) + float(found["used_cpu_sys"])) * 1_000_000


def _used(gate: Gate) -> int:
    return int(gate.client.info("memory")["used_memory"])


@contextmanager
def _peak(stack: DisposableStack) -> Iterator[Sequence[int]]:
    """Resident bytes of the API's largest process, as they were meanwhile."""
    stop, found = Event(), [0]
    parent = psutil.Process(stack.pid("api"))
    processes = [parent, *parent.children(recursive=True)]

    def sample() -> None:
        while not stop.wait(_SAMPLE_SECONDS):
            found.append(max(_resident(processes)))

    sampler = Thread(target=sample, name="memory", daemon=True)
    sampler.start()
    try:
        yield found
    finally:
        stop.set()
        sampler.join()


def _resident(processes: Iterable[psutil.Process]) -> Iterator[int]:
    for process in processes:
        yield process.memory_info().rss
