"""Check of the books by their counts, and of requests that belong to no coupon.

`coupon verify` compares request by request; this is what can be seen in a second.
"""

import time
from collections.abc import Iterator
from contextlib import closing

from coupons.gate import Gate, GateFigures, connect_gate, unavailable_reason
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import list_coupons
from coupons.model import Coupon
from operations.doctor.findings import Finding, Section, failing, ok
from operations.doctor.system import System
from operations.verify.unmatched_rows import find_orphans

SETTLED_WITHIN_SECONDS = 3.0
"""Marks follow their commit; what differs for longer is looked into."""

_PAUSE_SECONDS = 0.5
_SHOWN = 5


def check_consistency(places: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable or GateUnavailable."""
    with closing(connect_ledger(places.database_url, "coupon-doctor")) as connection:
        if orphans := find_orphans(connection):
            first = orphans[0]
            says = (
                f"there are requests of coupons that do not exist, the first of coupon"
                f" {first.coupon_id}, user {first.user_id}: nothing can become of them"
            )
            yield failing("books", says, "coupon verify", Section.BOOKS)
        wrong = differing(connect_gate(places.redis_url), connection)
    if wrong:
        shown = ", ".join(map(str, wrong[:_SHOWN])) + (" ..." if len(wrong) > _SHOWN else "")
        says = f"Redis and Postgres count differently for {len(wrong)} coupons ({shown})"
        yield failing("books", says, "coupon verify", Section.BOOKS)
    elif not orphans:
        yield ok("books", "Redis and Postgres count the same for every open coupon")


def differing(
    gate: Gate, connection: Connection, patience_s: float = SETTLED_WITHIN_SECONDS
) -> list[int]:
    """Coupons whose counts differ for longer than marks take. patience_s: seconds.

    Raises LedgerUnavailable or GateUnavailable.
    """
    until = time.monotonic() + patience_s
    wrong = _differing(gate, connection)
    while wrong and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)
        wrong &= _differing(gate, connection)
    return sorted(wrong)


def _differing(gate: Gate, connection: Connection) -> set[int]:
    before = list_coupons(connection)
    found = gate.figures([coupon.coupon_id for coupon in before])
    after = {coupon.coupon_id: coupon for coupon in list_coupons(connection)}
    return {
        was.coupon_id
        for was, figures in zip(before, found, strict=True)
        if figures is not None
        and unavailable_reason(figures, was) is None
        and not _agree(was, figures, after.get(was.coupon_id, was))
    }


def _agree(was: Coupon, figures: GateFigures, now: Coupon) -> bool:
    """Counts only grow: the gate's are between what the ledger held before and after."""
    return (
        figures.balance
        and was.issued_count <= figures.issued <= now.issued_count
        and was.rejected_count <= figures.rejected <= now.rejected_count
    )
