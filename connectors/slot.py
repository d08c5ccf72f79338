"""The replication slot that Debezium reads: its state, creating it, dropping it."""

from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from coupons.errors import ConfigurationError, LedgerUnavailable
from coupons.ledger.connection import Connection, translated
from coupons.queries import query
from coupons.waiting import attempts

SLOT = "coupon_cdc"
FREE_WITHIN_SECONDS = 60.0
MUCH_KEPT = 0.5
"""Above this share of max_slot_wal_keep_size, the WAL kept for a slot is a warning."""
_PAUSE_SECONDS = 0.2


class Slot(NamedTuple):
    """The slot, and the position of the server's WAL. LSNs and sizes in bytes; None: no slot.

    keep_bytes: the most that the server keeps for a slot; None: no limit. wal_status: reserved,
    extended, unreserved or lost.
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
    def is_filling(self) -> bool:
        """Whether it keeps more than MUCH_KEPT of the WAL that it may keep."""
        most = self.keep_bytes
        return most is not None and (self.retained_bytes or 0) > MUCH_KEPT * most

    @property
    def made_by_connector(self) -> bool:
        """Whether Debezium created it, maybe after rows that it therefore lacks."""
        return self.exists and not self.failover


def read_slot(connection: Connection, name: str = SLOT) -> Slot:
    """The state of the slot. Raises LedgerUnavailable."""
    with translated(connection), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query("find_slot"), {"slot_name": name}).fetchone()
    assert row is not None
    return Slot(**{column: _as_int(value) for column, value in row.items()})


def make_slot(connection: Connection, name: str = SLOT) -> None:
    """Create the slot; what is committed from now on is streamed. Raises LedgerUnavailable."""
    with translated(connection):
        connection.execute(query("create_slot"), {"slot_name": name})


def drop_slot(connection: Connection, name: str = SLOT) -> None:
    """Drop the slot, if it exists; waits until no session uses it. Raises LedgerUnavailable."""
    for _ in attempts(FREE_WITHIN_SECONDS, _PAUSE_SECONDS):
        try:
            with translated(connection):
                connection.execute(query("drop_slot"), {"slot_name": name})
        except LedgerUnavailable as error:
            if not isinstance(error.__cause__, psycopg.errors.ObjectInUse):
                raise
        else:
            return
    raise LedgerUnavailable(
        f"the replication slot {name} is still in use after {FREE_WITHIN_SECONDS:.0f} s:"
        " stop the connector that reads it"
    )


def refuse_foreign(slot: Slot, name: str = SLOT) -> None:
    """Raises ConfigurationError for a slot of another database or plugin."""
    if slot.exists and not slot.usable:
        raise ConfigurationError(
            f"the replication slot {name} exists, but for another database or plugin;"
            " drop it there, or use another Postgres server"
        )


def _as_int(value: Any) -> Any:
    """Postgres returns the bytes between two LSNs as numeric."""
    return int(value) if isinstance(value, Decimal) else value
