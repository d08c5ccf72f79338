"""A part of a real stack that hangs is named, and what is named brings it back."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from coupons.waiting import eventually
from stack.disposable import DisposableStack


def _coupon(stack: DisposableStack, command: str) -> subprocess.CompletedProcess[str]:
    args = [sys.executable, "-m", "cli", *shlex.split(command), "--state", str(stack.folder.path)]
    return subprocess.run(args, capture_output=True, text=True)


@pytest.mark.parametrize("part", ["valkey", "connect"])
def test_a_part_that_hangs_is_restarted_as_the_command_says(
    stack: DisposableStack, part: str
) -> None:
    os.kill(stack.pid(part), signal.SIGSTOP)
    hung = _coupon(stack, "up")
    assert hung.returncode == 1
    advice = re.search(r"restart it with `coupon ([^`]+)`", hung.stderr)
    assert advice is not None, hung.stderr
    assert _coupon(stack, "status").returncode == 1

    brought_back = _coupon(stack, advice[1])
    assert brought_back.returncode == 0, brought_back.stderr
    stack.up()

    def is_up() -> bool:
        status = _coupon(stack, "status")
        assert status.returncode == 0, status.stdout
        return True

    eventually(is_up, 60, "it is up, and so are those that missed it")
