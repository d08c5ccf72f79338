"""Checks of standby lists and lists of users: who waits is served, and the gate has each list.

Both are the reconciler's work, which takes a second. So what is not done is read again.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing

from coupons.gate import Gate, connect_gate, unavailable_reason
from coupons.gate.audiences import has_audience
from coupons.ledger.audiences import list_audiences
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import list_coupons
from coupons.ledger.standby import find_first_in_line, list_lines
from coupons.model import Coupon, CouponState
from coupons.waiting import attempts
from operations.doctor.commands import restart
from operations.doctor.findings import Finding, Section, failing, ok
from operations.doctor.system import System

SERVED_WITHIN_SECONDS = 5.0
"""Stock that came back goes to the first in line, a list to the gate, within two seconds."""

_PAUSE_SECONDS = 0.5
_SHOWN = 5

Moved = tuple[int, int | None]
"""How many a coupon has admitted, and the number of the first in its line, None: not known."""


def check_lists(system: System) -> Iterator[Finding]:
    """Nothing where no coupon has a list. Raises LedgerUnavailable or RedisUnavailable."""
    gate = connect_gate(system.redis_url)
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        lines, audiences = list_lines(connection), list_audiences(connection)
        if not lines and not audiences:
            return
        waiting, elsewhere = lasting(gate, connection, SERVED_WITHIN_SECONDS)
    if waiting:
        says = (
            f"nobody is promoted from the standby list of coupon {_ids(waiting)}, although stock"
            " is left: claims are refused meanwhile, too"
        )
        yield failing("lists", says, restart("reconciler", "the reconciler"), Section.LIST_WAITS)
    if elsewhere:
        says = (
            f"the gate has another list of users than Postgres for coupon {_ids(elsewhere)}: claims"
            " are decided by the list before"
        )
        yield failing("lists", says, "coupon reconcile", Section.LIST_WAITS)
    if not waiting and not elsewhere:
        yield ok("lists", "who waits in line is served, and the gate has every list of users")


def lasting(gate: Gate, connection: Connection, patience_s: float) -> tuple[list[int], list[int]]:
    """Coupons of whose line nobody is promoted for so long, and whose list the gate lacks so long.

    Raises LedgerUnavailable or RedisUnavailable.
    """
    waiting, elsewhere = _look(gate, connection)
    for _ in attempts(patience_s, _PAUSE_SECONDS):
        if not waiting and not elsewhere:
            break
        again, still = _look(gate, connection)
        # Where somebody was admitted, or waits no more, the line moves.
        waiting = {each: seen for each, seen in waiting.items() if again.get(each) == seen}
        elsewhere &= still
    return sorted(waiting), sorted(elsewhere)


def _look(gate: Gate, connection: Connection) -> tuple[dict[int, Moved], set[int]]:
    """By coupon whose line could be served, how far it is; coupons with another list.

    Nobody is promoted from a line that was switched off and ends. A coupon whose gate is
    unavailable has a finding of its own.
    """
    audiences = list_audiences(connection)
    totals = {line.coupon_id: line.total for line in list_lines(connection)}
    coupons = [
        coupon
        for coupon in list_coupons(connection)
        if coupon.belongs_at_gate and coupon.coupon_id in audiences.keys() | totals.keys()
    ]
    now_us = gate.now_us()
    waiting: dict[int, Moved] = {}
    elsewhere: set[int] = set()
    found = gate.figures([coupon.coupon_id for coupon in coupons]) if coupons else []
    for coupon, figures in zip(coupons, found, strict=True):
        if figures is None or unavailable_reason(figures, coupon) is not None:
            continue
        if not has_audience(figures, coupon.coupon_id, audiences):
            elsewhere.add(coupon.coupon_id)
        left = totals.get(coupon.coupon_id, 0) - figures.issued - figures.pending
        if left > 0 and coupon.has_line and _is_claimed(coupon, now_us):
            waiting[coupon.coupon_id] = (
                figures.admitted,
                find_first_in_line(connection, coupon.coupon_id),
            )
    return waiting, elsewhere


def _is_claimed(coupon: Coupon, now_us: int) -> bool:
    """Whether it is open, so that somebody may be promoted."""
    ends = coupon.issue_ends_at
    return (
        coupon.state is CouponState.OPEN
        and coupon.issue_starts_at.timestamp() * 1_000_000 <= now_us
        and (ends is None or now_us < ends.timestamp() * 1_000_000)
    )


def _ids(coupon_ids: Sequence[int]) -> str:
    return ", ".join(map(str, coupon_ids[:_SHOWN])) + (" ..." if len(coupon_ids) > _SHOWN else "")
