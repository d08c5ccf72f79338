"""Check of the disks that the embedded stack writes to."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from operations.doctor.findings import Finding, Section, elsewhere, failing, ok, warning
from operations.doctor.system import System
from stack.lifecycle import data_folders

FULL_MIB = 100
"""Less is free: a segment of WAL or of a topic does not fit for long."""
NEARLY_FULL_MIB = 1_000

_MIB = 2**20


def check_disk(places: System) -> Iterator[Finding]:
    """Raises OSError for a folder that cannot be looked at."""
    if places.folder is None:
        says = "the servers' disks are not here; `df -h` where they run"
        yield elsewhere("disk", says)
        return
    for path in data_folders(places.folder):
        yield disk_finding(path, shutil.disk_usage(path).free // _MIB)


def disk_finding(path: Path, free_mib: int) -> Finding:
    """What so much room means. free_mib: MiB."""
    says = f"{free_mib} MiB are free for {path}"
    if free_mib < FULL_MIB:
        return failing("disk", says, f"df -h {path}", Section.DISK_FULL)
    if free_mib < NEARLY_FULL_MIB:
        return warning("disk", says, f"df -h {path}", Section.DISK_FULL)
    return ok("disk", says)
