"""The heartbeats in the ledger: rows that are written only to be streamed."""

from datetime import datetime

from coupons.ledger.connection import Connection, translated
from coupons.queries import query


def newest_heartbeat(connection: Connection) -> datetime | None:
    """When the newest heartbeat was written; None when there is none. Raises LedgerUnavailable."""
    with translated(connection):
        row = connection.execute(query("newest_heartbeat")).fetchone()
    newest: datetime | None = row[0] if row else None
    return newest


def write_heartbeat(connection: Connection) -> None:
    """Write a heartbeat, as coupon_owner. Raises LedgerUnavailable."""
    with translated(connection):
        connection.execute(query("write_heartbeat"))
