"""Removes coupons from the gate: a few hundred keys at a time, freed beside what Redis answers."""

import re
from collections.abc import Collection, Iterator
from itertools import islice

from coupons.gate.gate import Gate
from coupons.gate.refusals import translated
from coupons.gate.values import coupon_key
from coupons.ids import MAX_COUPON_ID

_EVERY_KEY = "coupon:{*}*"
_KEY = re.compile(r"coupon:\{(\d{1,19})\}(?::.*)?")
_KEYS_PER_READ = 1_000
_KEYS_PER_REMOVAL = 500


def held_coupons(gate: Gate) -> set[int]:
    """The coupons of which Redis has a key, whatever it holds. Reads every key of it once.

    Raises RedisUnavailable.
    """
    with translated():
        return {coupon_id for coupon_id, _ in _keys(gate)}


def remove_coupons(gate: Gate, coupon_ids: Collection[int]) -> int:
    """Remove these from the gate, with what a rebuild left behind; return how many keys.

    Repeating it after an interruption removes the rest. Raises RedisUnavailable.
    """
    with translated():
        # The hashes first: without its hash the gate does not have the coupon, and no script writes
        # a key of it.
        removed = gate.client.unlink(*map(coupon_key, coupon_ids))
        of_them = (key for coupon_id, key in _keys(gate) if coupon_id in coupon_ids)
        return removed + _remove(gate, of_them)


def count_keys(gate: Gate, coupon_id: int) -> int:
    """How many keys Redis has of a coupon, whatever their names begin with. Reads every key of it.

    Raises RedisUnavailable.
    """
    with translated():
        named = gate.client.scan_iter(f"*{{{coupon_id}}}*", count=_KEYS_PER_READ)
        return len(set(named))


def remove_all_coupons(gate: Gate) -> int:
    """Remove every coupon from the gate; return how many keys were removed.

    The gate admits nobody until it is rebuilt. For a ledger that went back in time: the gate then
    has requests that the ledger lost, and its epochs are newer than the ledger's. Raises
    RedisUnavailable.
    """
    with translated():
        return _remove(gate, gate.client.scan_iter(_EVERY_KEY, count=_KEYS_PER_READ))


def _remove(gate: Gate, keys: Iterator[str]) -> int:
    removed = 0
    while some := list(islice(keys, _KEYS_PER_REMOVAL)):
        removed += gate.client.unlink(*some)
    return removed


def _keys(gate: Gate) -> Iterator[tuple[int, str]]:
    for key in gate.client.scan_iter(_EVERY_KEY, count=_KEYS_PER_READ):
        found = _KEY.fullmatch(key)
        if found and int(found[1]) <= MAX_COUPON_ID:
            yield int(found[1]), key
