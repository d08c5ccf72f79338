"""A started program is known by its identity, and how it ended is known without a supervisor."""

import dataclasses
import os
import signal
import time

import psutil
import pytest

from coupons.waiting import eventually
from stack.folder import StateFolder
from stack.processes import Running, end, start
from tests.stack.conftest import program

WAITS = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
PARENT = f"""
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {WAITS!r}])
print("child", child.pid, flush=True)
signal.pause()
"""


def _start(folder: StateFolder, code: str) -> Running:
    files = folder.part("program")
    running = start(program(code, cwd=folder.path), files.log, files.exit_file)
    files.save(running)
    eventually(lambda: files.log_tail(1), what="the program has begun")
    return running


def test_how_a_killed_program_ended_and_when_is_written_down(folder: StateFolder) -> None:
    running = _start(folder, WAITS)
    os.kill(running.pid, signal.SIGKILL)

    files = folder.part("program")
    eventually(files.exit_file.exists, what="the exit is recorded")

    assert str(files.last_exit()) == "signal 9"
    assert abs(files.last_exit().time - time.time()) < 60
    assert running.process() is None


def test_the_exit_code_of_a_program_that_ends_by_itself_is_written_down(
    folder: StateFolder,
) -> None:
    _start(folder, "import sys; print('bye'); sys.exit(7)")
    files = folder.part("program")
    eventually(files.exit_file.exists, what="the exit is recorded")
    assert str(files.last_exit()) == "exit code 7"


def test_without_its_wrapper_a_program_goes_on_and_logs_its_end(
    folder: StateFolder,
) -> None:
    """Without its wrapper a program goes on and its log tells when it ended."""
    running = _start(folder, WAITS)
    os.kill(running.wrapper, signal.SIGKILL)
    assert running.process() is not None

    end(running, deadline_s=10)

    ended = folder.part("program").last_exit()
    assert ended.code is None
    assert ended.time == folder.part("program").log.stat().st_mtime


def test_a_program_that_ignores_its_signal_is_killed_at_the_deadline(folder: StateFolder) -> None:
    running = _start(folder, STUBBORN)
    assert end(running, deadline_s=0.2) is False
    assert running.family() == []


def test_children_of_a_killed_program_are_found_and_ended(folder: StateFolder) -> None:
    running = _start(folder, PARENT)
    child = eventually(lambda: _child_in(folder.part("program").log_tail(2)), what="its child")
    assert child is not None
    os.kill(running.pid, signal.SIGKILL)
    eventually(lambda: running.process() is None, what="the parent is gone")

    end(running, deadline_s=0.2)

    eventually(lambda: not _lives(child), what="the child is gone")


def test_a_process_that_got_the_pid_of_an_ended_one_is_never_signalled(
    folder: StateFolder,
) -> None:
    innocent = _start(folder, WAITS)
    recycled = dataclasses.replace(innocent, created=innocent.created - 100, run_id="another run")

    assert recycled.process() is None
    end(recycled, deadline_s=0.2)

    assert innocent.process() is not None


@pytest.mark.parametrize("name", ["jwt.key", "coupon_api"])
def test_a_secret_is_made_once_and_readable_by_its_owner_only(
    folder: StateFolder, name: str
) -> None:
    first = folder.secret(name)
    assert folder.secret(name) == first
    assert len(first) >= 32
    assert folder.secret_file(name).stat().st_mode & 0o777 == 0o600


def _child_in(lines: list[str]) -> int | None:
    """Parent and child write into one log, in any order."""
    found = (line.split()[1] for line in lines if line.startswith("child "))
    return next(map(int, found), None)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
