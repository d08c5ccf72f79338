"""A process without file descriptors says that, and not that a server is away."""

import os
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from cli.exit_codes import exit_for
from coupons.errors import CouponError, RedisUnavailable
from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from stack.ports import HOST, free_ports

SAYS = "no file descriptors left"
ANSWERS_WITHIN_SECONDS = 60


def refusals_without_descriptors(port: int) -> list[str]:
    """What the gate and the ledger say in this process, which keeps none."""
    gate = connect_gate(f"redis://{HOST}:{port}/0")
    calls: list[Callable[[], object]] = [
        gate.now_us,
        lambda: connect_ledger(f"postgresql://x@{HOST}:{port}/x", "test"),
    ]
    used = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    kept = [os.dup(2) for _ in range(used)]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(kept) + 1, hard))
    said = []
    for call in calls:
        with pytest.raises(CouponError) as refused:
            call()
        said.append(str(refused.value))
    return said


def test_neither_redis_nor_postgres_is_blamed_when_descriptors_run_out() -> None:
    """In a process of its own: the tests' threads would close files meanwhile, which frees some."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as another:
        said = another.submit(refusals_without_descriptors, free_ports(["none"])["none"])
        of_gate, of_ledger = said.result(ANSWERS_WITHIN_SECONDS)
    assert SAYS in of_gate
    assert SAYS in of_ledger


def test_a_server_that_is_away_is_still_said_to_be_away() -> None:
    gate = connect_gate(f"redis://{HOST}:{free_ports(['none'])['none']}/0")
    with pytest.raises(RedisUnavailable, match="Redis does not answer"):
        gate.now_us()


def test_a_command_that_cannot_open_a_file_says_why() -> None:
    assert SAYS in exit_for(OSError(24, "Too many open files")).message
    assert exit_for(OSError(2, "No such file")).message == "[Errno 2] No such file"
