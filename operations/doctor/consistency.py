"""Check of the counts of gate and ledger, and of requests that belong to no coupon.

It takes a second. `coupon verify` compares request by request.
"""

from collections.abc import Iterator
from contextlib import closing

from coupons.gate import Gate, GateFigures, connect_gate, unavailable_reason
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import list_coupons
from coupons.model import Coupon
from coupons.waiting import attempts
from operations.doctor.findings import Finding, Section, failing, ok
from operations.doctor.system import System
from operations.verify.unmatched_rows import find_requests_without_coupon

SETTLED_WITHIN_SECONDS = 3.0
"""Marks follow their commit within this time; what differs for longer is reported."""

_PAUSE_SECONDS = 0.5
_SHOWN = 5


def check_consistency(system: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable or RedisUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        if without_coupon := find_requests_without_coupon(connection):
            first = without_coupon[0]
            says = (
                f"there are requests of coupons that do not exist, the first of coupon"
                f" {first.coupon_id}, user {first.user_id}: they can never become final"
            )
            yield failing("consistency", says, "coupon verify", Section.MISMATCH)
        wrong = differing(connect_gate(system.redis_url), connection)
    if wrong:
        shown = ", ".join(map(str, wrong[:_SHOWN])) + (" ..." if len(wrong) > _SHOWN else "")
        says = f"Redis and Postgres count differently for {len(wrong)} coupons ({shown})"
        yield failing("consistency", says, "coupon verify", Section.MISMATCH)
    elif not without_coupon:
        yield ok("consistency", "Redis and Postgres count the same for every open coupon")


def differing(
    gate: Gate, connection: Connection, patience_s: float = SETTLED_WITHIN_SECONDS
) -> list[int]:
    """Coupons whose counts differ for longer than `patience_s` seconds.

    Raises LedgerUnavailable or RedisUnavailable.
    """
    wrong = _differing(gate, connection)
    for _ in attempts(patience_s, _PAUSE_SECONDS):
        if not wrong:
            break
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
    """Counts only grow: the gate's lie between the ledger's before and after."""
    return (
        figures.balance
        and was.issued_count <= figures.issued <= now.issued_count
        and was.rejected_count <= figures.rejected <= now.rejected_count
    )
