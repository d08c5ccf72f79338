"""The present state of every part of a stack."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import psutil

from stack.folder import StateFolder
from stack.memory import resident_bytes
from stack.parts import Part

State = Literal["up", "unhealthy", "down", "never started"]


@dataclass(frozen=True)
class PartReport:
    """One part. since: seconds since 1970. memory: bytes. None: not known.

    last_exit: how the part ended, if it is down.
    """

    name: str
    state: State
    since: float | None
    pid: int | None
    ports: tuple[int, ...]
    memory: int | None
    last_exit: str | None


def report(
    folder: StateFolder, parts: Sequence[Part], *, with_memory: bool = True
) -> list[PartReport]:
    """One report for each part; the parts are asked in parallel.

    with_memory: reading it takes a tenth of a second of processor time.
    """
    with ThreadPoolExecutor(max(1, len(parts))) as pool:
        return list(pool.map(lambda part: _report_part(folder, part, with_memory), parts))


def _report_part(folder: StateFolder, part: Part, with_memory: bool) -> PartReport:
    files = folder.part(part.name)
    ports = tuple(part.ports.values())
    run = files.last_run()
    if run is None:
        return PartReport(part.name, "never started", None, None, ports, None, None)
    process = run.process()
    if process is None:
        ended = files.last_exit()
        return PartReport(part.name, "down", ended.time, None, ports, None, str(ended))
    state: State = "up" if part.healthy() else "unhealthy"
    memory = None
    if with_memory:
        with suppress(psutil.NoSuchProcess):
            memory = resident_bytes(process)
    return PartReport(part.name, state, run.started, run.pid, ports, memory, None)
