"""The conservation check: what the ledger holds, what the gate holds, and where they disagree."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from coupons.gate import Gate, GateFigures
from coupons.ledger.connection import Connection
from coupons.ledger.requests import count_requests, find_requests, stream_requests
from coupons.model import GateClosed, IssueRequest, RequestCounts

REQUESTS_PER_READ = 500
_POLL_SECONDS = 0.2


class Difference(NamedTuple):
    """A request that ledger and gate tell differently of; None: one of them does not know it."""

    coupon_id: int
    user_id: int
    in_ledger: str
    at_gate: str | None


class Books(NamedTuple):
    """The books of one coupon."""

    coupon_id: int
    counts: RequestCounts
    figures: GateFigures | None
    differences: list[Difference]

    @property
    def complaints(self) -> list[str]:
        """What does not add up, in words; empty when all does."""
        counts, figures = self.counts, self.figures
        complaints = []
        if not counts.balance:
            complaints.append(f"accepted is not issued + rejected + in flight: {counts}")
        if figures is None:
            complaints.append("the gate does not have the coupon")
        else:
            if figures.issued != counts.issued or figures.rejected != counts.rejected:
                complaints.append(
                    f"the gate marked {figures.issued} issued and {figures.rejected} rejected,"
                    f" the ledger holds {counts.issued} and {counts.rejected}"
                )
            pending = figures.admitted - counts.accepted - figures.compensated
            if pending:
                complaints.append(f"{pending} admitted claims are neither accepted nor compensated")
        if counts.in_flight:
            complaints.append(f"{counts.in_flight} accepted requests are not final")
        complaints += [
            f"user {d.user_id}: {d.in_ledger} in the ledger, {d.at_gate or 'unknown'} at the gate"
            for d in self.differences
        ]
        return complaints


def check_books(gate: Gate, connection: Connection, coupon_id: int) -> Books | None:
    """Compare every request of a coupon; None when there is no such coupon.

    Raises GateUnavailable or LedgerUnavailable.
    """
    differences = _compare(gate, connection, coupon_id)
    counts = count_requests(connection, coupon_id)
    if counts is None:
        return None
    return Books(coupon_id, counts, gate.figures([coupon_id])[0], differences)


def await_balanced_books(
    gate: Gate, connection: Connection, coupon_id: int, wait_seconds: float
) -> Books | None:
    """The books once they add up and nothing is in flight, or as they are after the wait."""
    deadline = time.monotonic() + wait_seconds
    while True:
        books = check_books(gate, connection, coupon_id)
        if books is None or not books.complaints or time.monotonic() > deadline:
            return books
        time.sleep(_POLL_SECONDS)


def _compare(gate: Gate, connection: Connection, coupon_id: int) -> list[Difference]:
    suspects: list[int] = []
    requests = stream_requests(connection, coupon_id)
    while some := list(islice(requests, REQUESTS_PER_READ)):
        suspects += [difference.user_id for difference in _differences(gate, coupon_id, some)]
    # What was on its way during the first look agrees in the second one.
    keys = [(coupon_id, user_id) for user_id in suspects]
    return list(_differences(gate, coupon_id, find_requests(connection, keys)))


def _differences(
    gate: Gate, coupon_id: int, requests: Sequence[IssueRequest]
) -> Iterator[Difference]:
    read = gate.read(coupon_id, [request.user_id for request in requests])
    at_gate = [None] * len(requests) if isinstance(read, GateClosed) else read
    for request, known in zip(requests, at_gate, strict=True):
        if known != request:
            yield Difference(
                coupon_id, request.user_id, request.status, known.status if known else None
            )
