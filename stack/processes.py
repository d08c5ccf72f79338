"""Starts programs that outlive the command, and ends them by their identity, not by a bare pid.

Each program runs in its own session under a small shell. The shell waits for it and writes down its
exit code and time, so that `status` can show how a part ended without a supervisor. Everything that
a program starts inherits an environment variable with the random id of the run. It finds children
that outlived a killed parent.
"""

import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from coupons.waiting import attempts
from stack.errors import StackError

_RUN_ID = "COUPON_STACK_RUN"
# When the clock is set, the system reports slightly other times for old processes.
_CREATED_TOLERANCE_S = 2.0
_KILL_DEADLINE_S = 10.0
_POLL_S = 0.05
# $0 is the log, $1 the file for the exit; the rest is the command. The inner shell prints its pid
# and then becomes the program.
_WRAPPER = """
log=$0 exit=$1; shift
sh -c 'echo $$; exec >>"$0" 2>&1; exec "$@"' "$log" "$@"
code=$?
echo "$code $(date +%s)" >"$exit.new" && mv "$exit.new" "$exit"
"""
# Drops root below the wrapper, which still writes into folders that only root may enter.
_DROP = """
import os, sys
uid, gid, home = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.setgroups([]); os.setgid(gid); os.setuid(uid); os.chdir(home)
os.execv(sys.argv[4], sys.argv[4:])
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An operating-system user to run a program as, and the folder it starts in."""

    uid: int
    gid: int
    home: Path


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and how to end it: `stop_signal`, then SIGKILL after `stop_deadline_s` seconds.

    `env` is the complete environment; `account` is None for the present user. `leaves`: a file that
    the program writes when it ends normally, and the path to which it is moved.
    """

    args: Sequence[str | Path]
    env: Mapping[str, str]
    cwd: Path
    account: Account | None = None
    stop_signal: int = signal.SIGTERM
    stop_deadline_s: float = 20.0
    leaves: tuple[Path, Path] | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """The identity of a started program: a recycled pid has another creation time.

    Times are seconds since 1970. `log_offset` is where this run's output begins in its log.
    """

    pid: int
    created: float
    run_id: str
    wrapper: int
    started: float
    log_offset: int
    stop_signal: int
    stop_deadline_s: float
    leaves: tuple[str, str] | None = None

    def process(self) -> psutil.Process | None:
        """The process; None: it has ended."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _CREATED_TOLERANCE_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def family(self) -> list[psutil.Process]:
        """The program, its wrapper and everything it started, also after the program has ended."""
        # A program that sets its title (Valkey, Postgres) may have overwritten its environment.
        own = self.process()
        others = [each for each in psutil.process_iter() if self._started(each) and each != own]
        return [own, *others] if own else others

    def _started(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_RUN_ID) == self.run_id
        except (psutil.Error, OSError):
            return False


@dataclass(frozen=True, slots=True)
class Exit:
    """How a program ended: the shell's exit code, and the time in seconds since 1970.

    `code` is None when the wrapper was killed too.
    """

    code: int | None
    time: float

    def __str__(self) -> str:
        if self.code is None:
            return "unknown"
        return f"signal {self.code - 128}" if self.code > 128 else f"exit code {self.code}"


def read_exit(exit_file: Path, log: Path) -> Exit:
    """How the last run ended; without a record, the time is that of the log's last write."""
    try:
        code, when = exit_file.read_text("utf-8").split()
        return Exit(int(code), float(when))
    except (FileNotFoundError, ValueError):
        return Exit(None, log.stat().st_mtime if log.exists() else 0.0)


def start(command: Command, log: Path, exit_file: Path) -> Running:
    """Start a program detached from this one, with its output appended to `log`."""
    run_id = uuid.uuid4().hex
    exit_file.unlink(missing_ok=True)
    offset = log.stat().st_size if log.exists() else 0
    args = [str(each) for each in command.args]
    if account := command.account:
        drop = [sys.executable, "-I", "-S", "-c", _DROP]
        args = [*drop, str(account.uid), str(account.gid), str(account.home), *args]
    with log.open("ab") as errors:
        wrapper = subprocess.Popen(
            ["/bin/sh", "-c", _WRAPPER, str(log), str(exit_file), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=command.cwd,
            env={**command.env, _RUN_ID: run_id},
            start_new_session=True,
        )
    assert wrapper.stdout is not None
    with wrapper.stdout as output:
        line = output.readline()
    if not line:
        raise StackError(f"could not start {args[0]}: see {log}")
    pid = int(line)
    try:
        created = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        created = 0.0  # It has ended already: its exit record and its log say how.
    return Running(
        pid=pid,
        created=created,
        run_id=run_id,
        wrapper=wrapper.pid,
        started=time.time(),
        log_offset=offset,
        stop_signal=command.stop_signal,
        stop_deadline_s=command.stop_deadline_s,
        leaves=(str(command.leaves[0]), str(command.leaves[1])) if command.leaves else None,
    )


def end(running: Running, deadline_s: float | None = None) -> bool:
    """End a program and all it started, by its signal and, after its deadline, by SIGKILL.

    Returns whether it ended without SIGKILL. Raises StackError if SIGKILL does not end it.
    """
    if process := running.process():
        with suppress(psutil.NoSuchProcess):
            process.send_signal(running.stop_signal)
            process.resume()  # a stopped program (SIGSTOP) handles no signal until it is resumed
    if not _left_after(running, running.stop_deadline_s if deadline_s is None else deadline_s):
        _keep(running)
        return True
    for process in running.family():
        # The wrapper ends by itself and records how the program ended.
        if process.pid != running.wrapper:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    if left := _left_after(running, _KILL_DEADLINE_S):
        pids = ", ".join(str(each.pid) for each in left)
        raise StackError(f"process {pids} does not end after SIGKILL: see `ps -fp {pids}`")
    return False


def _keep(running: Running) -> None:
    if running.leaves:
        left, kept = map(Path, running.leaves)
        if left.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            near = kept.with_name(f"{kept.name}.{running.run_id}")
            shutil.move(left, near)
            near.replace(kept)


def _left_after(running: Running, deadline_s: float) -> list[psutil.Process]:
    for _ in attempts(deadline_s, _POLL_S):
        if not running.family():
            break
    return running.family()
