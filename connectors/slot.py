"""The replication slot that Debezium reads from: looked at, made, dropped."""

import time
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from coupons.errors import ConfigurationError, LedgerUnavailable
from coupons.ledger.connection import Connection, translated
from coupons.queries import query

SLOT = "coupon_cdc"
FREE_WITHIN_SECONDS = 60.0
_PAUSE_SECONDS = 0.2


class Slot(NamedTuple):
    """The slot, and where the server's WAL is. LSNs and sizes in bytes; None: there is no slot.

    keep_bytes: what the server keeps for a slot at most; None without a limit. wal_status:
    reserved, extended, unreserved or lost.
    """

    wal_lsn: int
    keep_bytes: int | None
    exists: bool
    usable: bool | None
    active: bool | None
    failover: bool | None
    wal_status: str | None
    invalidation_reason: str | None
    confirmed_lsn: int | None
    retained_bytes: int | None

    @property
    def is_lost(self) -> bool:
        """Whether the WAL that it needs is gone."""
        return self.wal_status == "lost" or self.invalidation_reason is not None

    @property
    def made_by_connector(self) -> bool:
        """Whether it was not made by this project, and so maybe after rows that it has not."""
        return self.exists and not self.failover


def read_slot(connection: Connection, name: str = SLOT) -> Slot:
    """How the slot is. Raises LedgerUnavailable."""
    with translated(connection), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query("find_slot"), {"slot_name": name}).fetchone()
    assert row is not None
    return Slot(**{column: _whole(value) for column, value in row.items()})


def make_slot(connection: Connection, name: str = SLOT) -> None:
    """Make the slot; what is committed from now on is streamed. Raises LedgerUnavailable."""
    with translated(connection):
        connection.execute(query("create_slot"), {"slot_name": name})


def drop_slot(connection: Connection, name: str = SLOT) -> None:
    """Drop the slot, if it is there, as soon as nobody reads from it. Raises LedgerUnavailable."""
    deadline = time.monotonic() + FREE_WITHIN_SECONDS
    while True:
        try:
            with translated(connection):
                connection.execute(query("drop_slot"), {"slot_name": name})
        except LedgerUnavailable as error:
            in_use = isinstance(error.__cause__, psycopg.errors.ObjectInUse)
            if not in_use or time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(_PAUSE_SECONDS)


def refuse_foreign(slot: Slot, name: str = SLOT) -> None:
    """Raises ConfigurationError for a slot of another database or plugin."""
    if slot.exists and not slot.usable:
        raise ConfigurationError(
            f"the replication slot {name} exists, but for another database or plugin;"
            " drop it there, or use another Postgres server"
        )


def _whole(value: Any) -> Any:
    """Postgres counts the bytes between two LSNs as numeric."""
    return int(value) if isinstance(value, Decimal) else value
