"""One pass of reconciliation.

Three things can be wrong at the gate, and each has one repair:
- a coupon that it does not have, or has from another life of the server, or under an epoch that is
  over (a rebuild ended after its fence; no claim would be accepted any more): fence and rebuild;
- a definition older than the ledger's: define again;
- a request pending for long: mark it when its outcome is in the ledger, and when not even its row
  is there, claim again on the user's behalf. The place is held and the user wanted it, so an
  admission that nobody finished is rolled forward; whether its first write got through does not
  matter, because writing it again is harmless. Nothing is guessed and nothing is given back.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from coupons.gate import Gate, GateFigures, open_coupon
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import begin_gate_epoch, list_coupons
from coupons.ledger.requests import accept_requests, find_requests, stream_requests
from coupons.model import Admission, Claim, Coupon, GateClosed, IssueRequest

PENDING_PER_ROUND = 500


class Repair(NamedTuple):
    """What was wrong with which coupon, and how many requests it concerned."""

    kind: str
    coupon_id: int
    requests: int


def reconcile(gate: Gate, connection: Connection, pending_after_s: float) -> Iterator[Repair]:
    """Go once over all coupons; yield each repair after it was done.

    pending_after_s: age in seconds from which a pending request is looked into; longer than a claim
    takes. Raises GateUnavailable or LedgerUnavailable; what was done until then stays, and the next
    pass does the rest.
    """
    coupons = list_coupons(connection)
    ids = [coupon.coupon_id for coupon in coupons]
    before_us = gate.now_us() - int(pending_after_s * 1_000_000)
    states = zip(coupons, gate.closed(ids), gate.figures(ids), strict=True)
    for coupon, closed, figures in states:
        if closed is not None or figures is None:
            yield from _rebuild(gate, connection, coupon, closed or GateClosed.MISSING)
        elif figures.epoch < coupon.gate_epoch:
            yield from _rebuild(gate, connection, coupon, "epoch_over")
        else:
            yield from _refresh(gate, connection, coupon, figures, before_us)


def _rebuild(gate: Gate, connection: Connection, coupon: Coupon, why: str) -> Iterator[Repair]:
    fenced = begin_gate_epoch(connection, coupon.coupon_id)
    if fenced is None:
        return
    loaded = 0

    def counted() -> Iterator[IssueRequest]:
        nonlocal loaded
        for request in stream_requests(connection, coupon.coupon_id):
            loaded += 1
            yield request

    if open_coupon(gate, fenced, counted()):
        yield Repair(f"rebuilt_{why}", coupon.coupon_id, loaded)


def _refresh(
    gate: Gate, connection: Connection, coupon: Coupon, figures: GateFigures, before_us: int
) -> Iterator[Repair]:
    if figures.version < coupon.version and gate.define(coupon):
        yield Repair("redefined", coupon.coupon_id, 0)
    if figures.pending:
        yield from _settle_pending(gate, connection, coupon.coupon_id, before_us)


def _settle_pending(
    gate: Gate, connection: Connection, coupon_id: int, before_us: int
) -> Iterator[Repair]:
    pending = iter(gate.pending_before(coupon_id, before_us, limit=100_000))
    while some := list(islice(pending, PENDING_PER_ROUND)):
        known = find_requests(connection, [(coupon_id, request.user_id) for request in some])
        final = [request for request in known if request.is_final]
        if final and (marked := gate.settle(final)):
            yield Repair("marked", coupon_id, marked)
        written = {request.user_id for request in known}
        lost = [request.user_id for request in some if request.user_id not in written]
        if lost and (rolled := _roll_forward(gate, connection, coupon_id, lost)):
            yield Repair("rolled_forward", coupon_id, rolled)


def _roll_forward(
    gate: Gate, connection: Connection, coupon_id: int, user_ids: Sequence[int]
) -> int:
    """Claim again for users whose place is held but whose row is not there; return how many."""
    decisions = gate.admit([Claim(coupon_id, user_id) for user_id in user_ids])
    admissions = [decision for decision in decisions if isinstance(decision, Admission)]
    if not admissions or coupon_id not in accept_requests(connection, admissions):
        return 0
    return len(admissions)
