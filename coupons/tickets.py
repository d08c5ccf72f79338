"""Tickets of waiting rooms: a user's number, signed, so that nobody loses it with Redis."""

import hmac
import re

_TICKET = re.compile(r"(0|[1-9][0-9]{0,14})\.([0-9a-f]{32})")

LONGEST_TICKET = 48


def make_ticket(key: str, coupon_id: int, user_id: int, number: int) -> str:
    """The ticket of a user's number. key: the room's, which nobody else knows."""
    return f"{number}.{_signature(key, coupon_id, user_id, number)}"


def read_ticket(key: str, coupon_id: int, user_id: int, ticket: str) -> int | None:
    """The number; None: it is not this user's ticket for this coupon."""
    found = _TICKET.fullmatch(ticket)
    if found is None:
        return None
    expected = _signature(key, coupon_id, user_id, int(found[1]))
    return int(found[1]) if hmac.compare_digest(expected, found[2]) else None


def _signature(key: str, coupon_id: int, user_id: int, number: int) -> str:
    signed = f"waiting room {coupon_id} {user_id} {number}"
    return hmac.digest(key.encode(), signed.encode(), "sha256").hex()[:32]
