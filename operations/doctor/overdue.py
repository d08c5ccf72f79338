"""Which requests should have been final by now, without counting those that are."""

from collections.abc import Sequence
from datetime import datetime

from connectors.recovery import NotFinal, count_not_final
from coupons.errors import GateUnavailable
from coupons.gate import Gate, unavailable_reason
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import list_coupons
from coupons.model import Coupon, to_microseconds


def count_overdue(gate: Gate, connection: Connection, before: datetime) -> NotFinal:
    """Requests of before that moment which are not final. Raises LedgerUnavailable.

    Only coupons that may have some are counted in the ledger, which takes as long as they have
    requests; all of them when Redis does not answer.
    """
    coupons = list_coupons(connection)
    try:
        doubtful = _doubtful(gate, coupons, before)
    except GateUnavailable:
        return count_not_final(connection, before)
    return count_not_final(connection, before, doubtful) if doubtful else NotFinal(0, None)


def _doubtful(gate: Gate, coupons: Sequence[Coupon], before: datetime) -> list[int]:
    """Where the gate is open and its counts add up, a request that is not final is pending there.

    Of every other coupon only the ledger knows. Raises GateUnavailable.
    """
    before_us = to_microseconds(before)
    coupon_ids = [coupon.coupon_id for coupon in coupons]
    found = gate.figures(coupon_ids)
    oldest_us = gate.oldest_pending_us(dict(zip(coupon_ids, found, strict=True)))
    return [
        coupon.coupon_id
        for coupon, figures in zip(coupons, found, strict=True)
        if figures is None
        or unavailable_reason(figures, coupon) is not None
        or not figures.balance
        or oldest_us.get(coupon.coupon_id, before_us) < before_us
    ]
