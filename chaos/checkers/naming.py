"""How a complaint names a request."""

from chaos.history import Key
from coupons.ids import request_id


def named(key: Key) -> str:
    """A request, as an operator would look it up."""
    return f"request {request_id(*key)} (coupon {key[0]}, user {key[1]})"
