"""What each process takes: processor seconds over a window, and resident memory."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil

from stack.memory import resident_bytes

WAL_SENDER = "WAL sender"


class CpuClock:
    """Processor seconds of processes and their children since it was made.

    pids: tells which process stands for which name; asked once. The sender of the WAL, a child of
    Postgres, is counted apart. What children did that ended meanwhile belongs to their parent.
    """

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        self._pids = dict(pids())
        self._before = self._read()

    def seconds(self) -> dict[str, float]:
        """By name, user and system."""
        now = self._read()
        return {name: max(0.0, now[name] - self._before.get(name, 0.0)) for name in now}

    def _read(self) -> dict[str, float]:
        read: dict[str, float] = {}
        for name, pid in self._pids.items():
            process = psutil.Process(pid)
            own = process.cpu_times()
            read[name] = sum(own[:4])
            for child in process.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    label = WAL_SENDER if _sends_wal(child) else name
                    read[label] = read.get(label, 0.0) + sum(child.cpu_times()[:4])
        return read


def resident_mib(pids: Mapping[str, int]) -> dict[str, float]:
    """Memory of processes with their children, shared pages split where the system tells."""
    return {name: resident_bytes(psutil.Process(pid)) / 2**20 for name, pid in pids.items()}


def _sends_wal(process: psutil.Process) -> bool:
    title = process.cmdline()
    return bool(title) and title[0].startswith("postgres: walsender")
