"""The publication: the tables whose inserts Postgres sends to the connector."""

from enum import StrEnum

import psycopg

from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import Connection, translated
from coupons.queries import query
from coupons.waiting import attempts

PUBLICATION = "coupon_cdc"
FREE_WITHIN_SECONDS = 30.0
_PAUSE_SECONDS = 0.2


class Publication(StrEnum):
    """The state of the publication. WRONG: it publishes less, or more, than it should."""

    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"


def read_publication(connection: Connection) -> Publication:
    """Its state. Raises LedgerUnavailable."""
    with translated(connection):
        row = connection.execute(
            query("read_publication"), {"publication_name": PUBLICATION}
        ).fetchone()
    assert row is not None
    exists, is_right = row
    if not exists:
        return Publication.MISSING
    return Publication.RIGHT if is_right else Publication.WRONG


def make_publication(connection: Connection) -> str | None:
    """Create or correct it; returns `made`, `corrected` or None (it was right). As coupon_cdc.

    Raises LedgerUnavailable.
    """
    with translated(connection):
        row = connection.execute(query("make_publication")).fetchone()
    done: str | None = row[0] if row else None
    return done


def slot_can_be_read(connection: Connection, slot: str) -> bool:
    """Whether the first WAL of a slot can be decoded; waits until no other session uses the slot.

    WAL that was written while there was no publication cannot be decoded, and creating the
    publication afterwards does not help. Raises LedgerUnavailable.
    """
    values = {"slot_name": slot, "publication_name": PUBLICATION}
    for _ in attempts(FREE_WITHIN_SECONDS, _PAUSE_SECONDS):
        with translated(connection):
            try:
                connection.execute(query("peek_at_slot"), values)
            except psycopg.errors.UndefinedObject:
                return False
            except psycopg.errors.ObjectInUse:
                continue
            return True
    raise LedgerUnavailable(
        f"the replication slot {slot} is still in use after {FREE_WITHIN_SECONDS:.0f} s:"
        " stop the connector that reads it"
    )
