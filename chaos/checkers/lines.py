"""Promises about standby lists: in order, once, and nobody waits while stock is left."""

from collections import Counter

from chaos.checkers.naming import named
from chaos.evidence import Evidence
from chaos.history import History
from chaos.stores import EntryRow


def the_line_is_served_in_order(_: History, evidence: Evidence) -> list[str]:
    """Nobody waits who joined before somebody that was promoted."""
    complaints = []
    waits: dict[int, EntryRow] = {}
    for entry in evidence.entries:
        before = waits.get(entry.coupon_id)
        if entry.state == "waiting":
            waits.setdefault(entry.coupon_id, entry)
        elif entry.state == "promoted" and before is not None:
            complaints.append(f"{named(entry.key)} is promoted before user {before.user_id}")
    return complaints


def who_is_promoted_has_one_request(_: History, evidence: Evidence) -> list[str]:
    """Promoted means one row, and nobody else who waited or left has one."""
    rows = Counter((request.coupon_id, request.user_id) for request in evidence.requests)
    return [
        f"{named(entry.key)} is {entry.state} and has {rows[entry.key]} rows"
        for entry in evidence.entries
        if rows[entry.key] != (entry.state == "promoted")
    ]


def nobody_waits_while_stock_is_left(_: History, evidence: Evidence) -> list[str]:
    """Everything settled: a line is there because everything is issued."""
    issued = Counter(key[0] for key in evidence.issued)
    lines = {entry.coupon_id for entry in evidence.entries if entry.state == "waiting"}
    return [
        f"users wait for coupon {coupon_id}, and {issued[coupon_id]} of"
        f" {evidence.totals[coupon_id]} are issued"
        for coupon_id in sorted(lines)
        if issued[coupon_id] != evidence.totals[coupon_id]
    ]


def who_joined_is_in_line(history: History, evidence: Evidence) -> list[str]:
    """Whoever was answered that they wait has an entry."""
    known = {entry.key for entry in evidence.entries}
    return [
        f"{named(key)} was answered that the user waits, and has no entry"
        for key in history.joined
        if key not in known
    ]
