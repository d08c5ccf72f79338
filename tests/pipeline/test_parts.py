"""A part of a real stack that hangs is named, and what is named brings it back."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from stack.disposable import DisposableStack, disposable_stack
from tests.pipeline.people import People


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
    status = _coupon(stack, "status")
    assert status.returncode == 0, status.stdout


def test_a_stopped_stack_whose_port_is_taken_moves_with_its_data() -> None:
    with disposable_stack() as stack:
        people = People(stack)
        coupon_id = people.create_coupon(total_quantity=10)
        accepted = people.claim(coupon_id, 1)
        before = stack.environment["COUPON_API_URL"]
        stack.stop(*stack.folder.part_names())
        with socket.create_server(("127.0.0.1", urlsplit(before).port or 0)):
            stack.up(None, "--ports", "first-free")
            assert stack.environment["COUPON_API_URL"] != before
            moved = People(stack)
            assert moved.claim(coupon_id, 1).json()["id"] == accepted.json()["id"]
            issued = moved.claim(coupon_id, 2)
            final = moved.read(issued.headers["Location"], 2, wait=30)
            assert final.json()["status"] == "ISSUED"
