"""Removes all coupons from the gate: it admits nobody until it is rebuilt from the ledger."""

from itertools import islice

from coupons.gate.gate import Gate
from coupons.gate.refusals import translated

_EVERY_KEY = "coupon:{*}*"
_KEYS_PER_REMOVAL = 500


def remove_all_coupons(gate: Gate) -> int:
    """Remove every coupon from the gate; return how many keys were removed.

    For a ledger that went back in time: the gate then has requests that the ledger lost, and its
    epochs are newer than the ledger's. Raises RedisUnavailable.
    """
    removed = 0
    with translated():
        found = gate.client.scan_iter(_EVERY_KEY, count=1_000)
        while keys := list(islice(found, _KEYS_PER_REMOVAL)):
            removed += gate.client.unlink(*keys)
    return removed
