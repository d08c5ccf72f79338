"""Throws the gate away: it admits nobody until it is rebuilt from the ledger."""

from itertools import islice

from redis.exceptions import RedisError

from coupons.gate.gate import Gate
from coupons.gate.refusals import unavailable

_EVERY_KEY = "coupon:{*}*"
_KEYS_PER_REMOVAL = 500


def discard(gate: Gate) -> int:
    """Remove every coupon from the gate; return how many keys that were.

    For when the ledger went back in time: the gate then knows of requests that nobody has any more,
    and its epochs are ahead of the ledger's. Raises GateUnavailable.
    """
    removed = 0
    try:
        found = gate.client.scan_iter(_EVERY_KEY, count=1_000)
        while keys := list(islice(found, _KEYS_PER_REMOVAL)):
            removed += gate.client.unlink(*keys)
    except (RedisError, OSError) as error:
        raise unavailable(error) from error
    return removed
