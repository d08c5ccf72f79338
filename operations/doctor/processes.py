"""Checks of the embedded stack's processes."""

from collections.abc import Iterator

from operations.doctor.findings import Finding, Section, elsewhere, failing, ok
from operations.doctor.system import System
from stack.cache import bundle_folders
from stack.parts import Mend, mend_of
from stack.plan import all_parts
from stack.report import PartReport, report

_SECTIONS = {
    "postgres": Section.POSTGRES_DOWN,
    "valkey": Section.REDIS_DOWN,
    "kafka": Section.KAFKA_DOWN,
    "connect": Section.CONNECT_DOWN,
    "registry": Section.REGISTRY_DOWN,
    "reconciler": Section.RECONCILER_AWAY,
}


def check_parts(places: System) -> Iterator[Finding]:
    """Each part that is not up; of a system elsewhere nothing is known here."""
    if places.folder is None or places.choices is None:
        says = "the processes are not here; what they do is looked at from outside"
        yield elsewhere("parts", says)
        return
    parts = all_parts(places.folder, places.choices, bundle_folders())
    reports = report(places.folder, parts)
    away = [each for each in reports if each.state != "up"]
    mends = {part.name: mend_of(part, places.folder.part(part.name)) for part in parts}
    yield from (part_finding(each, mends[each.name]) for each in away)
    if not away:
        yield ok("parts", f"all {len(reports)} processes are up and answer")


def part_finding(part: PartReport, mend: Mend | None) -> Finding:
    """Of a part that is not up. mend: what helps before it is started again, if that is known."""
    default = Section.CONSUMER_AWAY if part.name.startswith("consumer") else Section.PART_DOWN
    section = _SECTIONS.get(part.name, default)
    if part.state == "unhealthy":
        says = f"{part.name} runs (process {part.pid}) and does not answer as it should"
        return failing("parts", says, f"coupon restart {part.name}", section)
    if mend is not None:
        says = f"{part.name} is {part.state}: {mend.says}"
        return failing("parts", says, f"{mend.command} && coupon up", section)
    ended = f": {part.last_exit}" if part.last_exit else ""
    return failing("parts", f"{part.name} is {part.state}{ended}", "coupon up", section)
