"""The memory of a process and its children."""

import psutil


def resident_bytes(process: psutil.Process) -> int:
    """Memory of a process and all its children, in bytes; shared pages are split where known."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += _proportional(each)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def _proportional(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    return int(getattr(full, "pss", full.rss))
