"""Writes the row of an abandoned admitted claim on the user's behalf."""

from collections.abc import Sequence

from coupons.gate import Gate
from coupons.ledger.connection import Connection
from coupons.ledger.requests import accept_requests
from coupons.model import Admission, Claim


def roll_forward(
    gate: Gate, connection: Connection, coupon_id: int, user_ids: Sequence[int]
) -> int:
    """Claim again for users who are admitted and have no row; return how many."""
    decisions = gate.admit([Claim(coupon_id, user_id) for user_id in user_ids])
    admissions = [decision for decision in decisions if isinstance(decision, Admission)]
    if not admissions or coupon_id not in accept_requests(connection, admissions):
        return 0
    return len(admissions)
