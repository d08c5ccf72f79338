"""Starting the stream only on the ledger that it belongs to: not on one that went back in time."""

from collections.abc import Mapping
from contextlib import closing

from connectors.connect import Connect
from connectors.offsets import stop_connector
from connectors.recovery import look_at_stream
from connectors.register import CONNECTOR_NAME, register
from coupons.errors import CouponError, GateUnavailable
from coupons.gate import Gate, connect_gate
from coupons.heartbeat import read_beat
from coupons.kafka import KafkaClient
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.heartbeats import newest_beat
from coupons.ledger.unseen_commits import CommitsUnseen, look_for_missing
from coupons.model import from_microseconds, to_microseconds

PROCEDURE = (
    "type `coupon up --servers-only`, `coupon after-restore --stop`, then `coupon up`"
    " (docs/how-to/runbook.md, Postgres was restored from a backup)"
)


class LedgerWentBack(CouponError):
    """The ledger lacks what came through the stream before."""


def missing_heartbeat(gate: Gate, connection: Connection) -> str | None:
    """In words, a heartbeat that came through the stream and is not in the ledger; else None.

    Beats are pruned only once there are newer ones. Raises CommitsUnseen while it may be committed
    and wait for a standby, GateUnavailable or LedgerUnavailable.
    """
    return look_for_missing(connection, lambda: _missing_heartbeat(gate, connection))


def _missing_heartbeat(gate: Gate, connection: Connection) -> str | None:
    # The heartbeat first: the ledger, asked afterwards, has it and all before it.
    beat_us = read_beat(gate.client)
    newest = newest_beat(connection)
    if beat_us is None or (newest is not None and beat_us <= to_microseconds(newest)):
        return None
    return (
        f"a heartbeat of {from_microseconds(beat_us):%Y-%m-%d %H:%M:%S} UTC came through, and the"
        " ledger does not have it"
    )


def look_for_restore(where: Mapping[str, str], servers_only: bool) -> list[str]:
    """Why the ledger is one that went back; nothing when it is not, or when that cannot be told:
    without Redis, and while commits wait for a synchronous standby.

    Raises LedgerWentBack instead unless servers_only: nothing may work on such a ledger yet.
    """
    with closing(connect_ledger(where["COUPON_DATABASE_URL"], "coupon-up")) as connection:
        try:
            why = missing_heartbeat(connect_gate(where["COUPON_REDIS_URL"]), connection)
        except (GateUnavailable, CommitsUnseen):
            return []
    if why is not None and not servers_only:
        raise LedgerWentBack(f"the ledger went back: {why}. Nothing is lost yet: {PROCEDURE}")
    return [] if why is None else [why]


def register_unless_gap(where: Mapping[str, str], kafka: KafkaClient, went_back: bool) -> None:
    """Register the connector and wait until it runs, as connectors.register does.

    On a ledger that went back, or with offsets that do not fit the slot, it cannot run, or would
    run on over a gap: it is stopped instead, and everything else starts, so that doctor can name
    the way back, and it can be gone.
    """
    connect = Connect(where["COUPON_CONNECT_URL"])
    with closing(connect_ledger(where["COUPON_DATABASE_URL"], "coupon-up")) as connection:
        look = look_at_stream(connect, connection)
    mismatch = look.offset is not None and look.gap is not None
    if not went_back and not mismatch:
        register(connect.url, kafka)
    elif look.state is not None:
        stop_connector(connect, CONNECTOR_NAME)
