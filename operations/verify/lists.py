"""Standby lists and lists of users: whether they are complete, and who waits for nothing."""

from typing import NamedTuple

from coupons.errors import KeysUnreadable
from coupons.gate import Gate, GateFigures
from coupons.gate.audiences import has_audience, is_spoilt
from coupons.ledger.audiences import EVERYBODY, list_audiences, parse_form
from coupons.ledger.connection import Connection, translated
from coupons.model import GateState
from coupons.queries import query
from operations.verify.mismatch import MismatchKind
from operations.verify.report import MOST_NAMED, Discrepancy

CLOCKS_SECONDS = 10.0
"""So far the clocks of Redis and Postgres may differ."""
SERVED_SECONDS = 60.0
"""So long somebody may wait who was admitted: the reconciler promotes within a second."""

_SENTENCES = {
    MismatchKind.NOT_REQUESTED: "promoted from the standby list, and there is no request",
    MismatchKind.STILL_WAITS: "waits in the standby list, and has a request",
    MismatchKind.OVERTAKEN: "waits in the standby list, and a user behind was promoted before",
}


class LineCounts(NamedTuple):
    """The standby list of one coupon.

    total: the coupon's. audited: the total in which its audit trail ends; None: it is from before
    that was kept. breaks: changes in the trail that do not begin where the one before ended.
    """

    coupon_id: int
    waiting: int
    promoted: int
    total: int
    audited: int | None
    breaks: int

    @property
    def complaints(self) -> list[str]:
        """What is wrong with the stock that the line was given, in sentences."""
        lines = []
        if self.audited is not None and self.audited != self.total:
            lines.append(f"the total is {self.total:,}, and by its changes it is {self.audited:,}")
        if self.breaks:
            lines.append(f"{self.breaks:,} changes of the total are missing in the audit trail")
        return [f"coupon {self.coupon_id}: {line}" for line in lines]


def count_lines(connection: Connection, coupon_id: int | None = None) -> list[LineCounts]:
    """Of each coupon that has or had a standby list, or of one. Raises LedgerUnavailable."""
    with translated(connection):
        rows = connection.execute(query("count_lines"), {"coupon_id": coupon_id}).fetchall()
    return [LineCounts(*row) for row in rows]


def find_wrong_entries(
    connection: Connection, coupon_id: int | None = None, most: int = MOST_NAMED
) -> list[Discrepancy]:
    """Entries of standby lists that do not fit, at most so many. Raises LedgerUnavailable.

    Nothing in this project leaves such an entry: the ledger was restored in part, or corrected by
    hand. Reads every entry.
    """
    values = {
        "coupon_id": coupon_id,
        "most": most,
        "clocks_s": CLOCKS_SECONDS,
        "served_s": SERVED_SECONDS,
    }
    with translated(connection):
        rows = connection.execute(query("find_wrong_entries"), values).fetchall()
    return [
        Discrepancy(coupon, user, MismatchKind(why), _SENTENCES[MismatchKind(why)])
        for coupon, user, why in rows
    ]


def wrong_audiences(gate: Gate, connection: Connection, coupon_id: int | None = None) -> list[str]:
    """What is wrong with lists of users, in sentences: of one coupon, or of all.

    In the ledger each list is complete, and the gate holds the same users. Another version at the
    gate is not compared here: it is part of the coupon's report. Reads every list on both sides.
    Raises RedisUnavailable or LedgerUnavailable.
    """
    forms = list_audiences(connection, None if coupon_id is None else [coupon_id])
    found = dict(zip(forms, gate.figures(list(forms)), strict=True)) if forms else {}
    return [
        f"coupon {each}: {line}"
        for each, form in sorted(forms.items())
        for line in [
            *_incomplete(connection, each, form),
            *_others_at_gate(gate, connection, each, found[each], form),
        ]
    ]


def _incomplete(connection: Connection, coupon_id: int, form: str) -> list[str]:
    with translated(connection):
        row = connection.execute(query("count_listed"), {"coupon_id": coupon_id}).fetchone()
    if row is None or row[0] != form:
        return []  # it has another one meanwhile
    _, size, listed, chunks = row
    if size is None:
        return ["it is open to a list of users, and there is no list"]
    if (listed, chunks) == (size, parse_form(form).chunks):
        return []
    return [f"its list was set with {size:,} users, and {listed:,} are there"]


def _others_at_gate(
    gate: Gate, connection: Connection, coupon_id: int, figures: GateFigures | None, form: str
) -> list[str]:
    if not _is_in_force(figures, coupon_id, form):
        return []
    says = "the gate holds other users than its list in the ledger; `coupon reconcile` repairs it"
    try:
        if not is_spoilt(gate, connection, coupon_id, form):
            return []
    except KeysUnreadable:
        says = "the gate's list cannot be read; `coupon reconcile` repairs it"
    # Changed meanwhile: then what was read is of two lists.
    if list_audiences(connection, [coupon_id]).get(coupon_id, EVERYBODY) != form:
        return []
    [again] = gate.figures([coupon_id])
    was_rebuilt = again is None or figures is None or again.epoch != figures.epoch
    return [] if was_rebuilt or not _is_in_force(again, coupon_id, form) else [says]


def _is_in_force(figures: GateFigures | None, coupon_id: int, form: str) -> bool:
    """Whether claims are decided by this list: a rebuild names it before it has loaded it."""
    return (
        figures is not None
        and figures.state is GateState.OPEN
        and has_audience(figures, coupon_id, {coupon_id: form})
    )
