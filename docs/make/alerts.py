"""The reference of the alerts, from the rules that Prometheus evaluates."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from docs.make.markdown import table
from operations.doctor.findings import Section

RULES = Path(__file__).parents[2] / "compose" / "monitoring" / "alerts.yml"
_LINK = "{{ $externalLabels.docs }}/how-to/runbook.html#"

HEAD = """# Alerts

The rules are in `compose/monitoring/alerts.yml`, their unit tests beside them in
`compose/monitoring/alerts_test.yml`. [Use alerts and dashboards](../how-to/alerts.md) says how to
run them.

A **symptom** pages somebody (`severity: page`): users or a promise are affected now. A **cause**
informs (`severity: inform`): it says why, or that a symptom may come. *After* is how long the
expression has to hold. N is the value.

*Generated from the rules by `make docs`. A test compares the two.*
"""

WITHOUT_ALERT_HEAD = """
## States without an alert of their own

The doctor tells these states apart by questions that are too costly or too rare for a metric. Each
shows as another alert first, if it fails anything.

"""

WITHOUT_ALERT: dict[Section, tuple[str, str]] = {
    Section.STANDBY_DOWN: ("CouponApiErrors", "Commits wait, so claims are answered 503."),
    Section.LOCKED: (
        "CouponClaimsSlow",
        "Claims or batches wait for the lock. Then they are given up, and tried again.",
    ),
    Section.NO_CONNECTIONS: ("CouponApiErrors", "Claims are answered 503."),
    Section.POSTGRES_REFUSES: (
        "CouponApiErrors",
        "Postgres answers, so it is not down; claims are answered 503.",
    ),
    Section.REDIS_EVICTS: (
        "CouponGateUnavailable",
        "It is a setting, and no coupon is opened under it. The reconciler logs it.",
    ),
    Section.LEDGER_RESTORED: (
        "CouponApiMissing",
        "`coupon up` starts neither API nor consumers on such a ledger. Only a comparison of Kafka's"
        " log with the ledger says that requests are missing.",
    ),
    Section.NOT_PREPARED: (
        "CouponProcessUnhealthy",
        "A process without its tables or rights waits, and says so. It happens at a start or an"
        " upgrade.",
    ),
    Section.PUBLICATION: (
        "CouponRequestsNotFinal",
        "Inserts are not streamed. If the publication is missing: CouponHeartbeatOld, and with"
        " Postgres 17 CouponConnectorTaskFailed.",
    ),
    Section.TOPICS: ("CouponHeartbeatOld", "Nothing can be written to a topic that is missing."),
    Section.SCHEMA: (
        "CouponDeadLettersOpen",
        "What cannot be read is dead-lettered. If the registry lost the schemas: CouponHeartbeatOld.",
    ),
    Section.CONNECTOR_MISSING: (
        "CouponConnectorNotRunning",
        "One alert for paused, stopped and missing: the same command helps.",
    ),
    Section.OFFSETS: (
        "CouponConnectorTaskFailed",
        "The connector refuses to run on offsets that do not match.",
    ),
    Section.STREAM_WAITS: ("CouponHeartbeatOld", "The connector runs and receives nothing."),
    Section.FOREIGN_LOCK: (
        "CouponReconcilerNotActive",
        "No reconciler can become active. The doctor names who holds the lock.",
    ),
    Section.LIST_WAITS: (
        "CouponProcessUnhealthy",
        "The reconciler says what it cannot do. If none runs: CouponReconcilerNotActive.",
    ),
    Section.REDIS_RESTORED: (
        "CouponGateUnavailable",
        "The gate is rebuilt by itself. A copy that was put under a running server shows as"
        " CouponDrift.",
    ),
}
"""By state of the runbook: the alert that shows it, and why it has none of its own."""


class Alert(NamedTuple):
    """One rule. `section` is the heading of the runbook that it links to."""

    name: str
    severity: str
    expression: str
    after: str
    summary: str
    description: str
    section: Section


def anchor(section: Section) -> str:
    """The name of a heading on the page of the site."""
    return re.sub(r"[^a-z0-9]+", "-", section.lower().replace("'", ""))


@cache
def alerts() -> tuple[Alert, ...]:
    """Every alert, as the rules order them. Raises KeyError for a link that leads nowhere."""
    sections = {_LINK + anchor(section): section for section in Section}
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return tuple(
        Alert(
            rule["alert"],
            rule["labels"]["severity"],
            rule["expr"],
            rule.get("for", "at once"),
            rule["annotations"]["summary"],
            rule["annotations"]["description"],
            sections[rule["annotations"]["runbook_url"]],
        )
        for group in groups
        for rule in group["rules"]
    )


def render() -> str:
    """The page."""
    found = alerts()
    parts = [HEAD]
    for title, severity in (("Symptoms", "page"), ("Causes", "inform")):
        of_kind = _rows(alert for alert in found if alert.severity == severity)
        parts += [f"\n## {title}\n\n", table(["alert", "after", "says", "runbook"], of_kind)]
    expressions = ((f"`{each.name}`", f"`{each.expression}`") for each in found)
    parts += ["\n## Expressions\n\n", table(["alert", "expression"], expressions)]
    states = ((_link(state), f"`{name}`", why) for state, (name, why) in WITHOUT_ALERT.items())
    parts += [WITHOUT_ALERT_HEAD, table(["state", "shows as", "why"], states)]
    return "".join(parts)


def _rows(found: Iterator[Alert]) -> Iterator[tuple[str, str, str, str]]:
    for each in found:
        yield f"`{each.name}`", each.after, _plain(each.summary), _link(each.section)


def _link(section: Section) -> str:
    return f"[{section}](../how-to/runbook.md#{anchor(section)})"


def _plain(summary: str) -> str:
    """The summary with N for the value, and names in capitals for labels."""
    text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: found[1].upper(), summary)
    return re.sub(r"\{\{[^}]*\$value[^}]*\}\}", "N", text)
