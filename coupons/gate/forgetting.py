"""The gate forgets archived coupons, purged rehearsals and discarded drafts: all their keys.

Who claims one is answered from the ledger, as for every coupon that the gate does not have. That is
sound because archiving is a fence: no claim that was admitted before is accepted after it. A
rebuild that is under way has the lock, so that its keys do not come afterwards. The gate never has
a draft, unless by an accident that nobody sees: that is looked for, too.
"""

from collections.abc import Collection
from contextlib import ExitStack
from typing import NamedTuple

from coupons.gate.gate import Gate
from coupons.gate.removal import held_coupons, remove_coupons
from coupons.ledger.admin_states import find_archived
from coupons.ledger.connection import Connection
from coupons.ledger.discarded import find_discarded
from coupons.ledger.rebuild_lock import alone_with
from coupons.ledger.rehearsals import find_purged

MOST_AT_ONCE = 100
"""Coupons that are locked together: each walk over the keys removes so many."""


class Forgotten(NamedTuple):
    """coupon_ids: whose keys were removed. is_all: the gate has no other of these."""

    coupon_ids: list[int]
    is_all: bool


def forget_archived(
    gate: Gate, connection: Connection, known: Collection[int], also: Collection[int] = ()
) -> Forgotten:
    """Remove what the gate has of archived, purged or discarded coupons, MOST_AT_ONCE at most.

    known: coupons that are none of these. also: coupons of which the gate may soon have keys: by a
    rebuild that is under way. It reads the names of all keys in Redis. Raises RedisUnavailable or
    LedgerUnavailable; then some keys may be left, and it may be repeated.
    """
    others = held_coupons(gate).union(also).difference(known)
    gone = find_purged(connection, others).union(find_discarded(connection, others))
    archived = sorted(gone.union(find_archived(connection, others))) if others else []
    with ExitStack() as locks:
        ours = [
            coupon_id
            for coupon_id in archived[:MOST_AT_ONCE]
            if locks.enter_context(alone_with(connection, coupon_id))
        ]
        if ours:
            remove_coupons(gate, frozenset(ours))
    return Forgotten(ours, len(ours) == len(archived))
