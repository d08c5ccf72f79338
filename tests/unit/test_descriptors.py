"""A process without file descriptors says that, and not that a server is away."""

import gc
import importlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.exit_codes import exit_for
from coupons.errors import CouponError, RedisUnavailable
from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from stack.ports import HOST, free_ports

SAYS = "no file descriptors left"


@contextmanager
def none_left() -> Iterator[None]:
    """Nothing more can be opened by this process within the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The collector would close files of earlier tests within the block, which frees descriptors.
    gc.collect()
    gc.disable()
    used = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    kept = [os.dup(2) for _ in range(used)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(kept) + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in kept:
            os.close(each)
        gc.enable()
        # What was looked for meanwhile, and not found, is remembered: packages, for example.
        importlib.invalidate_caches()


def test_neither_redis_nor_postgres_is_blamed_when_descriptors_run_out() -> None:
    port = free_ports(["none"])["none"]
    gate = connect_gate(f"redis://{HOST}:{port}/0")
    with none_left():
        with pytest.raises(CouponError) as of_gate:
            gate.now_us()
        with pytest.raises(CouponError) as of_ledger:
            connect_ledger(f"postgresql://x@{HOST}:{port}/x", "test")
    assert SAYS in str(of_gate.value)
    assert SAYS in str(of_ledger.value)


def test_a_server_that_is_away_is_still_said_to_be_away() -> None:
    gate = connect_gate(f"redis://{HOST}:{free_ports(['none'])['none']}/0")
    with pytest.raises(RedisUnavailable, match="Redis does not answer"):
        gate.now_us()


def test_a_command_that_cannot_open_a_file_says_why() -> None:
    assert SAYS in exit_for(OSError(24, "Too many open files")).message
    assert exit_for(OSError(2, "No such file")).message == "[Errno 2] No such file"
