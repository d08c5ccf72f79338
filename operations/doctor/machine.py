"""Checks of the machine that the embedded stack runs on: its processes and its disks."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from operations.advice import naming
from operations.doctor.findings import Finding, Section, elsewhere, failing, ok, warning
from operations.doctor.system import System
from stack.cache import bundle_folders
from stack.lifecycle import data_folders
from stack.options import existing
from stack.parts import Repair, repair_of
from stack.plan import all_parts
from stack.report import PartReport, report

FULL_MIB = 100
"""With less free space, the next segment of WAL or of a topic may not fit."""
NEARLY_FULL_MIB = 1_000
_MIB = 2**20
_SECTIONS = {
    "postgres": Section.POSTGRES_DOWN,
    "valkey": Section.REDIS_DOWN,
    "kafka": Section.KAFKA_DOWN,
    "connect": Section.CONNECT_DOWN,
    "registry": Section.REGISTRY_DOWN,
    "reconciler": Section.RECONCILER_DOWN,
}


def check_parts(system: System) -> Iterator[Finding]:
    """A finding for each part that is not up. A system elsewhere has no parts to check."""
    folder = system.folder or system.near
    if folder is None:
        yield elsewhere("parts", "the processes run elsewhere; the other checks test what they do")
        return
    parts = all_parts(folder, system.options or existing(folder), bundle_folders())
    reports = report(folder, parts, with_memory=False)
    down = [each for each in reports if each.state != "up"]
    repairs = {part.name: repair_of(part, folder.part(part.name)) for part in parts}
    for each in down:
        finding = part_finding(each, repairs[each.name])
        command = finding.command
        if command is not None and system.near is not None:
            command = naming(command, system.near.path)
        yield finding._replace(command=command)
    if not down:
        yield ok("parts", f"all {len(reports)} processes are up and answer")


def part_finding(part: PartReport, repair: Repair | None) -> Finding:
    """For a part that is not up. repair: what to do before it is started again; None: not known."""
    default = Section.CONSUMER_DOWN if part.name.startswith("consumer") else Section.PART_DOWN
    section = _SECTIONS.get(part.name, default)
    if part.state == "unhealthy":
        says = f"{part.name} runs (process {part.pid}) and its health check fails"
        return failing("parts", says, f"coupon restart {part.name}", section)
    if repair is not None:
        says = f"{part.name} is {part.state}: {repair.says}"
        return failing("parts", says, f"{repair.command} && coupon up", section)
    ended = f": {part.last_exit}" if part.last_exit else ""
    return failing("parts", f"{part.name} is {part.state}{ended}", "coupon up", section)


def check_disk(system: System) -> Iterator[Finding]:
    """Raises OSError for a folder that cannot be read."""
    folder = system.folder or system.near
    if folder is None:
        yield elsewhere("disk", "the servers run elsewhere; type `df -h` there")
        return
    for path in data_folders(folder):
        yield disk_finding(path, shutil.disk_usage(path).free // _MIB)


def disk_finding(path: Path, free_mib: int) -> Finding:
    """The finding for so much free space, in MiB."""
    says = f"{free_mib} MiB are free for {path}"
    if free_mib < FULL_MIB:
        return failing("disk", says, f"df -h {path}", Section.DISK_FULL)
    if free_mib < NEARLY_FULL_MIB:
        return warning("disk", says, f"df -h {path}", Section.DISK_FULL)
    return ok("disk", says)
