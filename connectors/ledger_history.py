"""Tells whether the ledger went back in time: it lacks a heartbeat that came through the stream."""

from collections.abc import Mapping
from contextlib import closing

from coupons.errors import CouponError, RedisUnavailable
from coupons.gate import Gate, connect_gate
from coupons.gate.heartbeat import read_heartbeat
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.heartbeats import newest_heartbeat
from coupons.ledger.unseen_commits import CommitsUnseen, look_for_missing
from coupons.model import from_microseconds, to_microseconds

PROCEDURE = (
    "type `coupon up --servers-only`, `coupon after-restore --stop`, then `coupon up`"
    " (docs/how-to/runbook.md, Postgres was restored from a backup)"
)


class LedgerWentBack(CouponError):
    """The ledger lacks what came through the stream before."""


def missing_heartbeat(gate: Gate, connection: Connection) -> str | None:
    """A sentence on a heartbeat that came through the stream and is not in the ledger; else None.

    Heartbeats are pruned only once there are newer ones. Raises CommitsUnseen while it may be
    committed and wait for a standby, RedisUnavailable or LedgerUnavailable.
    """
    return look_for_missing(connection, lambda: _missing_heartbeat(gate, connection))


def _missing_heartbeat(gate: Gate, connection: Connection) -> str | None:
    # The heartbeat first: the ledger, read afterwards, has it and all before it.
    heartbeat_us = read_heartbeat(gate.client)
    newest = newest_heartbeat(connection)
    if heartbeat_us is None or (newest is not None and heartbeat_us <= to_microseconds(newest)):
        return None
    return (
        f"a heartbeat of {from_microseconds(heartbeat_us):%Y-%m-%d %H:%M:%S} UTC came through, and"
        " the ledger does not have it"
    )


def find_restore(where: Mapping[str, str], servers_only: bool) -> list[str]:
    """Why the ledger went back in time; empty when it did not, or when that is not known.

    It is not known without Redis, and while commits wait for a synchronous standby. Raises
    LedgerWentBack unless servers_only: no process may work on such a ledger yet.
    """
    with closing(connect_ledger(where["COUPON_DATABASE_URL"], "coupon-up")) as connection:
        try:
            why = missing_heartbeat(connect_gate(where["COUPON_REDIS_URL"]), connection)
        except (RedisUnavailable, CommitsUnseen):
            return []
    if why is not None and not servers_only:
        raise LedgerWentBack(f"the ledger went back: {why}. Nothing is lost yet: {PROCEDURE}")
    return [] if why is None else [why]
