"""The publication: which tables' inserts Postgres hands to the connector."""

import time
from enum import StrEnum

import psycopg

from coupons.ledger.connection import Connection, translated
from coupons.queries import query

PUBLICATION = "coupon_cdc"
FREE_WITHIN_SECONDS = 30.0
_PAUSE_SECONDS = 0.2


class Publication(StrEnum):
    """How the publication is. WRONG: it publishes less, or more, than it should."""

    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"


def read_publication(connection: Connection) -> Publication:
    """How it is. Raises LedgerUnavailable."""
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
    """Put it in order: `made`, `corrected`, or None when it was. As coupon_cdc.

    Raises LedgerUnavailable.
    """
    with translated(connection):
        row = connection.execute(query("make_publication")).fetchone()
    done: str | None = row[0] if row else None
    return done


def slot_can_be_read(connection: Connection, slot: str) -> bool:
    """Whether the WAL that a slot begins with can be decoded, as soon as nobody reads from it.

    It cannot where it was written while there was no publication: making it afterwards does not
    help. Raises LedgerUnavailable.
    """
    values = {"slot_name": slot, "publication_name": PUBLICATION}
    deadline = time.monotonic() + FREE_WITHIN_SECONDS
    while True:
        with translated(connection):
            try:
                connection.execute(query("peek_at_slot"), values)
            except psycopg.errors.UndefinedObject:
                return False
            except psycopg.errors.ObjectInUse:
                if time.monotonic() > deadline:
                    raise
            else:
                return True
        time.sleep(_PAUSE_SECONDS)
