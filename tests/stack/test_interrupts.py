"""Whatever makes a stack for itself removes it when a signal ends the program."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event

import psutil
import pytest

from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.folder import StateFolder
from stack.options import choose, remember
from stack.processes import end

ENDS_WITHIN_SECONDS = 60.0
INTERRUPTED = 130
PROGRAMS = {
    "chaos": ["chaos"],
    "drill": ["chaos.drill", "--state", "Kafka is down"],
    "benchmarks": ["benchmarks", "delay"],
    "benchmark with a stack of its own": ["benchmarks", "rebuild", "--quick"],
}
STARTING = """#!/bin/sh
trap 'echo stopped >"$0.stopped"; exit 130' TERM
echo starting >"$0.starting"
while :; do sleep 0.1; done
"""
"""Instead of `coupon up`: it stops what it started when it is told to end."""


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.stack.slow_start", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def state_folder(process: "subprocess.Popen[str]") -> StateFolder:
    """Once its stack runs."""
    assert process.stdout is not None
    for line in process.stdout:
        if (path := Path(line.strip())).is_absolute():
            return StateFolder(path)
    raise AssertionError("it ended before its stack was there")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_signal_removes_the_stack(program: str, how: signal.Signals) -> None:
    with running(*PROGRAMS[program]) as process:
        folder = state_folder(process)
        part = folder.part("valkey").last_run()
        assert part is not None
        assert part.process()
        process.send_signal(how)
        try:
            assert process.wait(ENDS_WITHIN_SECONDS) == INTERRUPTED
            assert part.family() == []
            assert not folder.path.exists()
        finally:
            end(part)


def test_a_signal_lets_a_command_that_starts_the_stack_end_in_order(tmp_path: Path) -> None:
    """Killed at once, it would leave what it has just started."""
    command = tmp_path / "command"
    command.write_text(STARTING)
    command.chmod(0o700)
    code = (
        "import sys; from stack.disposable import disposable_stack;"
        f" sys.executable = {str(command)!r}; disposable_stack().__enter__()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        eventually((tmp_path / "command.starting").exists, ENDS_WITHIN_SECONDS)
        process.terminate()
        process.wait(ENDS_WITHIN_SECONDS)
    assert (tmp_path / "command.stopped").exists()


def test_a_signal_to_the_command_reaches_the_benchmark_that_it_runs() -> None:
    """The benchmark has a server, and no stack."""
    command = [sys.executable, "-m", "cli", "bench", "gate-memory"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        server = eventually(partial(_server, process.pid), ENDS_WITHIN_SECONDS)
        assert server is not None
        process.terminate()
        try:
            assert process.wait(ENDS_WITHIN_SECONDS) == INTERRUPTED
            assert not server.is_running()
        finally:
            with suppress(psutil.NoSuchProcess):
                server.kill()


def test_a_stack_is_removed_after_another_command_has_ended(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a drill ends while somebody types `coupon up` in another terminal."""
    removing = Event()
    monkeypatch.setattr(DisposableStack, "_coupon", lambda *_: removing.set())
    remember(folder, choose(folder, "auto", {}, 1, True))
    with ThreadPoolExecutor(1) as pool:
        with folder.locked():
            pool.submit(DisposableStack(folder.path).wipe)
            assert not removing.wait(0.5)
        assert removing.wait(ENDS_WITHIN_SECONDS)


def _server(pid: int) -> psutil.Process | None:
    """The Valkey below a process."""
    for each in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if "valkey" in each.name():
                return each
    return None
