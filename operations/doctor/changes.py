"""What differs between two rounds of checks."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from operations.doctor.findings import Finding, Level

_MEASURED = re.compile(r"(?<![\w/:.-])(?<!coupon )(?<!partition )\d[\d,.:]*")
"""A number that is no part of a name or an address: an age, a count, a process."""

_TO_REPORT = (Level.FAILING, Level.UNKNOWN, Level.WARNING)


class Changes(NamedTuple):
    """Findings that are new, and those that are gone; only those of which somebody must know."""

    appeared: list[Finding]
    went_away: list[Finding]


def changes(before: Iterable[Finding], now: Iterable[Finding]) -> Changes:
    """A finding with other figures than before, or another reason after a colon, is no change."""
    old, new = _to_report(before), _to_report(now)
    return Changes(_surplus(new, old), _surplus(old, new))


def _to_report(findings: Iterable[Finding]) -> list[Finding]:
    return [each for each in findings if each.level in _TO_REPORT]


def _surplus(findings: Sequence[Finding], others: Iterable[Finding]) -> list[Finding]:
    """Those that are not among the others, each as often as it is too much."""
    matched = Counter(map(_identity, others))
    left = []
    for finding in findings:
        if matched[_identity(finding)]:
            matched[_identity(finding)] -= 1
        else:
            left.append(finding)
    return left


def _identity(finding: Finding) -> tuple[object, ...]:
    subject = finding.says.partition(": ")[0]
    return finding.check, finding.level, finding.section, _MEASURED.sub("#", subject)
