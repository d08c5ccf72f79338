"""What processes use: processor seconds between two readings, and resident memory."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import psutil

from stack.disposable import DisposableStack
from stack.memory import resident_bytes

PARTS = ("api", "postgres", "valkey", "kafka", "connect", "consumer-1")
WAL_SENDER = "WAL sender"


def processor_seconds(pid: int) -> float:
    """User and system time of a process and all its children, ended ones included."""
    root = psutil.Process(pid)
    return sum(_seconds(process) for process in [root, *root.children(recursive=True)])


def read_parts(stack: DisposableStack, parts: Iterable[str] = PARTS) -> dict[str, float]:
    """Processor seconds of each part that runs."""
    found = {}
    for part in parts:
        with suppress(psutil.NoSuchProcess):
            found[part] = processor_seconds(stack.pid(part))
    return found


def per_item(
    before: Mapping[str, float], after: Mapping[str, float], items: int
) -> dict[str, float]:
    """Microseconds of one core that each part used for an item between two readings."""
    return {
        part: (after[part] - before[part]) * 1e6 / items for part in before.keys() & after.keys()
    }


class CpuClock:
    """Processor seconds of processes and their children since this object was made.

    pids: returns the process id by name; called once. The WAL sender, a child of Postgres, is
    counted on its own. Time of children that have ended is counted for their parent.
    """

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        self._pids = dict(pids())
        self._before = self._read()

    def seconds(self) -> dict[str, float]:
        """User and system time by name."""
        now = self._read()
        return {name: max(0.0, now[name] - self._before.get(name, 0.0)) for name in now}

    def _read(self) -> dict[str, float]:
        read: dict[str, float] = {}
        for name, pid in self._pids.items():
            process = psutil.Process(pid)
            read[name] = _seconds(process)
            for child in process.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    label = WAL_SENDER if _sends_wal(child) else name
                    read[label] = read.get(label, 0.0) + _seconds(child)
        return read


def resident_mib(pids: Mapping[str, int]) -> dict[str, float]:
    """Memory of processes with their children; shared pages are split where the system allows."""
    return {name: resident_bytes(psutil.Process(pid)) / 2**20 for name, pid in pids.items()}


def _seconds(process: psutil.Process) -> float:
    """User and system time of a process and of its children that have ended; 0 once it is gone."""
    with suppress(psutil.NoSuchProcess):
        return float(sum(process.cpu_times()[:4]))
    return 0.0


def _sends_wal(process: psutil.Process) -> bool:
    title = process.cmdline()
    return bool(title) and title[0].startswith("postgres: walsender")
