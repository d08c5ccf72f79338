"""Starting the stream only on the ledger that it belongs to: not on one that went back in time."""

from collections.abc import Mapping
from contextlib import closing

from connectors.connect import Connect
from connectors.offsets import stop_connector
from connectors.register import CONNECTOR_NAME, register
from coupons.errors import CouponError, GateUnavailable
from coupons.freshness import read_beat
from coupons.gate import Gate, connect_gate
from coupons.kafka import KafkaClient
from coupons.ledger.connection import Connection, connect_ledger
from coupons.model import from_microseconds, to_microseconds
from ops.after_restore import newest_beat
from ops.recovery import AHEAD, look_at_stream

PROCEDURE = (
    "type `coupon up --servers-only`, `coupon after-restore --stop`, then `coupon up`"
    " (docs/runbook.md, Postgres was restored from a backup)"
)


class LedgerWentBack(CouponError):
    """The ledger lacks what came through the stream before."""


def missing_heartbeat(gate: Gate, connection: Connection) -> str | None:
    """In words, a heartbeat that came through the stream and is not in the ledger; else None.

    Beats are pruned only once there are newer ones. Raises GateUnavailable or LedgerUnavailable.
    """
    # The heartbeat first: the ledger, asked afterwards, has it and all before it.
    beat_us = read_beat(gate.client)
    newest = newest_beat(connection)
    if beat_us is None or (newest is not None and beat_us <= to_microseconds(newest)):
        return None
    return (
        f"a heartbeat of {from_microseconds(beat_us):%Y-%m-%d %H:%M:%S} UTC came through, and the"
        " ledger does not have it"
    )


def refuse_restored(where: Mapping[str, str]) -> None:
    """Raises LedgerWentBack, before anything works on such a ledger, or LedgerUnavailable."""
    with closing(connect_ledger(where["COUPON_DATABASE_URL"], "coupon-up")) as connection:
        try:
            why = missing_heartbeat(connect_gate(where["COUPON_REDIS_URL"]), connection)
        except GateUnavailable:
            return
    if why is not None:
        raise LedgerWentBack(
            f"the ledger went back in time: {why}. Nothing is lost yet: {PROCEDURE}"
        )


def register_unless_restored(
    where: Mapping[str, str], kafka: KafkaClient, servers_only: bool
) -> None:
    """Register the connector and wait until it runs, as connectors.register does.

    One whose offsets are ahead of the WAL is stopped, so that it streams nothing before they are
    forgotten. servers_only: and that is fine. Otherwise raises LedgerWentBack.
    """
    connect = Connect(where["COUPON_CONNECT_URL"])
    with closing(connect_ledger(where["COUPON_DATABASE_URL"], "coupon-up")) as connection:
        look = look_at_stream(connect, connection)
    if look.gap == AHEAD:
        stop_connector(connect, CONNECTOR_NAME)
        if not servers_only:
            raise LedgerWentBack(f"{AHEAD}. Nothing is lost yet: {PROCEDURE}")
        return
    register(connect.url, kafka)
