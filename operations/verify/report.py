"""The consistency report of one coupon: counts of ledger and gate, and where they disagree."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

from coupons.errors import KeysUnreadable
from coupons.gate import Gate, GateFigures, unavailable_reason
from coupons.gate.audiences import has_audience
from coupons.ids import request_id
from coupons.ledger.audiences import list_audiences
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import find_coupon
from coupons.ledger.requests import count_requests
from coupons.ledger.retired import find_retired
from coupons.ledger.unfinished import stream_unfinished
from coupons.ledger.unrequested import find_unrequested
from coupons.model import Coupon, CouponState, RequestCounts
from operations.verify.comparison import GateChanged, GateUnreadable, compare
from operations.verify.mismatch import MismatchKind

MOST_NAMED = 50
_SHORTEST_PAUSE_SECONDS = 0.2


class Discrepancy(NamedTuple):
    """A request that is wrong or not final. requested_at_us: None: not known."""

    coupon_id: int
    user_id: int
    why: MismatchKind
    sentence: str
    requested_at_us: int | None = None

    @property
    def request_id(self) -> str:
        """Its UUID, also when there is no row."""
        return str(request_id(self.coupon_id, self.user_id))

    def __str__(self) -> str:
        return f"request {self.request_id} of user {self.user_id}: {self.why}, {self.sentence}"


class ConsistencyReport(NamedTuple):
    """discrepancies: those that are named. discrepancy_counts: the number of each kind in all.

    figures: None: the gate does not have the coupon. unavailable_reason: why the gate admits
    nobody; None: it is available. not_compared: why the requests at the gate were not compared;
    None: they were. claims_came_in: claims were admitted meanwhile. Ledger and gate are read one
    after the other, so the counts cannot add up then, and that is no fault. state: of a draft or an
    archived coupon the gate has nothing to compare. retired_at: since when the counts of the ledger
    are those that were kept, because the rows are in files; None: they are counted from rows.
    """

    coupon_id: int
    counts: RequestCounts
    figures: GateFigures | None
    unavailable_reason: str | None
    discrepancies: list[Discrepancy]
    discrepancy_counts: Counter[MismatchKind]
    same_definition: bool = True
    same_audience: bool = True
    not_compared: str | None = None
    claims_came_in: bool = False
    state: CouponState = CouponState.OPEN
    retired_at: datetime | None = None

    @property
    def unwritten(self) -> int:
        """Admitted claims without a row in the ledger; negative: rows unknown at the gate."""
        if self.figures is None:
            return 0
        return self.figures.admitted - self.counts.accepted - self.figures.compensated

    @property
    def sums(self) -> list[str]:
        """What is wrong with the counts, in sentences."""
        counts, figures = self.counts, self.figures
        lines = []
        if not counts.balance:
            lines.append(
                "Postgres: accepted is not issued + rejected + in flight, or more than the total"
                f" is issued, or the coupon's own counts are wrong: {counts}"
            )
        if self.state is CouponState.DRAFT and counts.accepted:
            lines.append(f"it is a draft, and has {counts.accepted:,} requests")
        if self.unavailable_reason is not None:
            lines.append(f"the gate is unavailable for this coupon: {self.unavailable_reason}")
        elif figures is not None:
            lines += _gate_sums(counts, figures, self.unwritten)
            if not self.same_definition:
                lines.append("the gate has another version of the coupon than the ledger")
            if not self.same_audience:
                lines.append("the gate has another audience than the ledger")
        if self.not_compared is not None and self.unavailable_reason is None:
            lines.append(self.not_compared)
        if counts.in_flight:
            lines.append(f"{counts.in_flight:,} accepted requests are not final")
        return lines

    @property
    def complaints(self) -> list[str]:
        """Everything that is wrong, in sentences, the first requests by name."""
        more = sum(self.discrepancy_counts.values()) - MOST_NAMED
        lines = [*self.sums, *map(str, self.discrepancies[:MOST_NAMED])]
        return [*lines, f"and {more:,} more requests"] if more > 0 else lines


def check_consistency(
    gate: Gate, connection: Connection, coupon_id: int, keep: int = MOST_NAMED
) -> ConsistencyReport | None:
    """Compare every request of a coupon in both directions; None when there is no such coupon.

    keep: how many discrepancies are named; the others are counted. A request between two steps
    counts too: see `await_consistency`. Raises RedisUnavailable or LedgerUnavailable.
    """
    coupon = find_coupon(connection, coupon_id)
    if coupon is None:
        return None
    before = gate.figures([coupon_id])[0]
    discrepancies: list[Discrepancy] = []
    discrepancy_counts: Counter[MismatchKind] = Counter()
    not_compared: str | None = None

    def note(found: Iterable[Discrepancy]) -> None:
        for each in found:
            discrepancy_counts[each.why] += 1
            if len(discrepancies) < keep:
                discrepancies.append(each)

    try:
        if coupon.belongs_at_gate:
            note(_differing(gate, connection, coupon))
    except (GateUnreadable, KeysUnreadable):
        not_compared = (
            "the gate's keys of this coupon cannot be read; `coupon reconcile` repairs it"
        )
    except GateChanged:
        not_compared = "the gate was rebuilt during the comparison: repeat it"
    note(_of_the_ledger(connection, coupon_id))
    counts = count_requests(connection, coupon_id)
    figures = gate.figures([coupon_id])[0]
    audiences = list_audiences(connection, [coupon_id])
    coupon = find_coupon(connection, coupon_id)
    if counts is None or coupon is None:
        return None
    retired = None
    if not coupon.belongs_at_gate:
        figures = not_compared = None
        retired = find_retired(connection, [coupon_id]).get(coupon_id)
        counts = counts if retired is None else retired.counts.instead_of(counts)
    return ConsistencyReport(
        coupon_id,
        counts,
        figures,
        unavailable_reason(figures, coupon),
        discrepancies,
        discrepancy_counts,
        same_definition=figures is None or figures.version == coupon.version,
        same_audience=figures is None or has_audience(figures, coupon_id, audiences),
        not_compared=not_compared,
        claims_came_in=bool(before and figures and before.admitted != figures.admitted),
        state=coupon.state,
        retired_at=None if retired is None else retired.retired_at,
    )


def await_consistency(
    gate: Gate, connection: Connection, coupon_id: int, wait_seconds: float, keep: int = MOST_NAMED
) -> ConsistencyReport | None:
    """The report once nothing is wrong or in flight, or as it is after the wait."""
    deadline = time.monotonic() + wait_seconds
    while True:
        _await_counts(gate, connection, coupon_id, deadline)
        report = check_consistency(gate, connection, coupon_id, keep)
        if report is None or not report.complaints or time.monotonic() > deadline:
            return report
        time.sleep(_SHORTEST_PAUSE_SECONDS)


def _await_counts(gate: Gate, connection: Connection, coupon_id: int, deadline: float) -> None:
    """Wait until the counts agree and nothing is in flight: counting is cheaper than comparing."""
    coupon = find_coupon(connection, coupon_id)
    if coupon is None or not coupon.belongs_at_gate:
        return
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
    """Mismatches, when the gate is available. Raises GateChanged or GateUnreadable."""
    coupon_id = coupon.coupon_id
    if unavailable_reason(gate.figures([coupon_id])[0], coupon) is not None:
        return
    with closing(compare(gate, connection, coupon_id)) as mismatches:
        for found in mismatches:
            if found.kind is MismatchKind.NO_REQUEST:
                continue
            known = found.in_ledger or found.at_gate
            moment_us = known and known.requested_at_us
            yield Discrepancy(coupon_id, found.user_id, found.kind, found.sentence, moment_us)


def _of_the_ledger(connection: Connection, coupon_id: int) -> Iterator[Discrepancy]:
    """Outcomes without a request, and requests without an outcome."""
    for outcome in find_unrequested(connection, coupon_id):
        sentence = f"{outcome.status} in the ledger, and its request row is missing"
        moment_us = outcome.requested_at_us
        yield Discrepancy(coupon_id, outcome.user_id, MismatchKind.NO_REQUEST, sentence, moment_us)
    for request in stream_unfinished(connection, coupon_id):
        sentence = "accepted and not final yet"
        yield Discrepancy(
            coupon_id, request.user_id, MismatchKind.IN_FLIGHT, sentence, request.requested_at_us
        )


def _gate_sums(counts: RequestCounts, figures: GateFigures, unwritten: int) -> list[str]:
    lines = []
    if (figures.issued, figures.rejected) != (counts.issued, counts.rejected):
        lines.append(
            f"the gate marked {figures.issued:,} issued and {figures.rejected:,} rejected,"
            f" the ledger holds {counts.issued:,} and {counts.rejected:,}"
        )
    if not figures.balance:
        lines.append(
            f"the gate admitted {figures.admitted:,}, but holds {figures.pending:,} pending,"
            f" {figures.issued:,} issued, {figures.rejected:,} rejected and"
            f" {figures.compensated:,} compensated"
        )
    if unwritten < 0:
        lines.append(f"{-unwritten:,} accepted requests are unknown at the gate")
    elif unwritten:
        lines.append(f"{unwritten:,} admitted claims are neither accepted nor compensated")
    return lines
