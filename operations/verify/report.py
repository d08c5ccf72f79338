"""The conservation check: what the ledger holds, what the gate holds, and where they disagree."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

from coupons.errors import KeysUnreadable
from coupons.gate import Gate, GateFigures, unavailable_reason
from coupons.ids import request_id
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import find_coupon
from coupons.ledger.requests import count_requests
from coupons.ledger.unfinished import stream_unfinished
from coupons.ledger.unrequested import find_unrequested
from coupons.model import Coupon, RequestCounts
from operations.verify.comparison import GateChanged, GateUnreadable, compare
from operations.verify.mismatch import MismatchKind

MOST_NAMED = 50
_SHORTEST_PAUSE_SECONDS = 0.2


class Discrepancy(NamedTuple):
    """A request that does not add up.

    why: a Kind of difference (missing_mark, unwritten, forgotten, ghost, no_request, other); of a
    request that is not final: in_flight, dead_letter, lost; of a row that stands alone
    (unmatched_rows.py): no_coupon, no_request. requested_at_us: None where nobody knows it.
    """

    coupon_id: int
    user_id: int
    why: str
    sentence: str
    requested_at_us: int | None = None

    @property
    def request_id(self) -> str:
        """Its UUID, whether there is a row or not."""
        return str(request_id(self.coupon_id, self.user_id))

    def __str__(self) -> str:
        return f"request {self.request_id} of user {self.user_id}: {self.why}, {self.sentence}"


class ConsistencyReport(NamedTuple):
    """The books of one coupon.

    faults: those that are named; discrepancy_counts: how many there are of each kind in all.
    """

    coupon_id: int
    counts: RequestCounts
    figures: GateFigures | None
    why_closed: str | None
    faults: list[Discrepancy]
    discrepancy_counts: Counter[str]
    same_definition: bool = True
    not_compared: str | None = None
    """Why the requests at the gate were not compared, in words; None: they were."""

    @property
    def unwritten(self) -> int:
        """Places that the gate holds, or lacks (negative), beyond the rows of the ledger."""
        if self.figures is None:
            return 0
        return self.figures.admitted - self.counts.accepted - self.figures.compensated

    @property
    def sums(self) -> list[str]:
        """What of the counts does not add up, in words."""
        counts, figures = self.counts, self.figures
        told = []
        if not counts.balance:
            told.append(
                "Postgres: accepted is not issued + rejected + in flight, or more than the total"
                f" is issued, or the coupon's own counts are wrong: {counts}"
            )
        if self.why_closed is not None:
            told.append(f"the gate is closed for this coupon: {self.why_closed}")
        elif figures is not None:
            told += _gate_sums(counts, figures, self.unwritten)
            if not self.same_definition:
                told.append("the gate has another version of the coupon than the ledger")
        if self.not_compared is not None and self.why_closed is None:
            told.append(self.not_compared)
        if counts.in_flight:
            told.append(f"{counts.in_flight:,} accepted requests are not final")
        return told

    @property
    def complaints(self) -> list[str]:
        """What does not add up, in words, the first requests by name; empty when all does."""
        more = sum(self.discrepancy_counts.values()) - MOST_NAMED
        told = [*self.sums, *map(str, self.faults[:MOST_NAMED])]
        return [*told, f"and {more:,} more requests"] if more > 0 else told


def check_consistency(
    gate: Gate, connection: Connection, coupon_id: int, keep: int = MOST_NAMED
) -> ConsistencyReport | None:
    """Compare every request of a coupon in both directions; None when there is no such coupon.

    keep: how many faults are named; the others are counted. What is merely on its way between two
    steps counts too: see `await_consistency`. Raises GateUnavailable or LedgerUnavailable.
    """
    coupon = find_coupon(connection, coupon_id)
    if coupon is None:
        return None
    faults: list[Discrepancy] = []
    discrepancy_counts: Counter[str] = Counter()
    not_compared: str | None = None

    def note(found: Iterable[Discrepancy]) -> None:
        for fault in found:
            discrepancy_counts[fault.why] += 1
            if len(faults) < keep:
                faults.append(fault)

    try:
        note(_differing(gate, connection, coupon))
    except (GateUnreadable, KeysUnreadable):
        not_compared = "the gate's keys of this coupon cannot be read; `coupon reconcile` mends it"
    except GateChanged:
        not_compared = "the gate was rebuilt during the comparison: look again"
    note(_of_the_ledger(connection, coupon_id))
    counts = count_requests(connection, coupon_id)
    figures = gate.figures([coupon_id])[0]
    coupon = find_coupon(connection, coupon_id)
    if counts is None or coupon is None:
        return None
    closed = unavailable_reason(figures, coupon)
    same = figures is None or figures.version == coupon.version
    return ConsistencyReport(
        coupon_id, counts, figures, closed, faults, discrepancy_counts, same, not_compared
    )


def await_consistency(
    gate: Gate, connection: Connection, coupon_id: int, wait_seconds: float, keep: int = MOST_NAMED
) -> ConsistencyReport | None:
    """The books once they add up and nothing is in flight, or as they are after the wait."""
    deadline = time.monotonic() + wait_seconds
    while True:
        _await_quiet(gate, connection, coupon_id, deadline)
        books = check_consistency(gate, connection, coupon_id, keep)
        if books is None or not books.complaints or time.monotonic() > deadline:
            return books
        time.sleep(_SHORTEST_PAUSE_SECONDS)


def _await_quiet(gate: Gate, connection: Connection, coupon_id: int, deadline: float) -> None:
    """Until the counts agree and nothing is pending; counting is cheaper than comparing."""
    while (began := time.monotonic()) < deadline:
        counts = count_requests(connection, coupon_id)
        figures = gate.figures([coupon_id])[0]
        if counts is None:
            return
        if figures and not counts.in_flight:
            unwritten = figures.admitted - counts.accepted - figures.compensated
            if not _gate_sums(counts, figures, unwritten):
                return
        taken = time.monotonic() - began
        time.sleep(min(max(_SHORTEST_PAUSE_SECONDS, 2 * taken), max(0.0, deadline - began)))


def _differing(gate: Gate, connection: Connection, coupon: Coupon) -> Iterator[Discrepancy]:
    """Of an open gate; that one is closed, the books say. Raises GateChanged, GateUnreadable."""
    coupon_id = coupon.coupon_id
    if unavailable_reason(gate.figures([coupon_id])[0], coupon) is not None:
        return
    with closing(compare(gate, connection, coupon_id)) as differences:
        for found in differences:
            if found.kind is MismatchKind.NO_REQUEST:
                continue
            known = found.in_ledger or found.at_gate
            moment_us = known and known.requested_at_us
            yield Discrepancy(coupon_id, found.user_id, str(found.kind), found.sentence, moment_us)


def _of_the_ledger(connection: Connection, coupon_id: int) -> Iterator[Discrepancy]:
    """Outcomes without a request, and requests without an outcome."""
    for outcome in find_unrequested(connection, coupon_id):
        sentence = f"{outcome.status} in the ledger, and its request row is missing"
        moment_us = outcome.requested_at_us
        yield Discrepancy(
            coupon_id, outcome.user_id, str(MismatchKind.NO_REQUEST), sentence, moment_us
        )
    for request in stream_unfinished(connection, coupon_id):
        sentence = "accepted and not final yet"
        yield Discrepancy(
            coupon_id, request.user_id, "in_flight", sentence, request.requested_at_us
        )


def _gate_sums(counts: RequestCounts, figures: GateFigures, unwritten: int) -> list[str]:
    told = []
    if (figures.issued, figures.rejected) != (counts.issued, counts.rejected):
        told.append(
            f"the gate marked {figures.issued:,} issued and {figures.rejected:,} rejected,"
            f" the ledger holds {counts.issued:,} and {counts.rejected:,}"
        )
    if not figures.balance:
        told.append(
            f"the gate admitted {figures.admitted:,}, but holds {figures.pending:,} pending,"
            f" {figures.issued:,} issued, {figures.rejected:,} rejected and gave"
            f" {figures.compensated:,} back"
        )
    if unwritten < 0:
        told.append(f"{-unwritten:,} accepted requests are unknown at the gate")
    elif unwritten:
        told.append(f"{unwritten:,} admitted claims are neither accepted nor compensated")
    return told
