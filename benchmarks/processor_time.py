"""Processor time that parts of the stack spent, so that a rate can be told from its cost."""

from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil

from stack.disposable import DisposableStack

PARTS = ("api", "postgres", "valkey", "kafka", "connect", "consumer-1")


def processor_seconds(pid: int) -> float:
    """User and system time of a process and all that it started, also of what has ended since."""
    root = psutil.Process(pid)
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def read_parts(stack: DisposableStack, parts: Iterable[str] = PARTS) -> dict[str, float]:
    """Processor seconds by part, of those that run."""
    found = {}
    for part in parts:
        with suppress(psutil.NoSuchProcess):
            found[part] = processor_seconds(stack.pid(part))
    return found


def per_item(
    before: Mapping[str, float], after: Mapping[str, float], items: int
) -> dict[str, float]:
    """Microseconds of one core that each part spent on an item between two readings."""
    return {
        part: (after[part] - before[part]) * 1e6 / items for part in before.keys() & after.keys()
    }
