"""Rehearsals that are closed and purged."""

from datetime import timedelta
from typing import Any

from coupons.ids import FIRST_REHEARSAL_ID
from coupons.ledger.connection import Connection
from coupons.ledger.rehearsals import purge_in_ledger
from tests.support.databases import Database
from tests.support.issued import as_owner

USERS = range(FIRST_REHEARSAL_ID, FIRST_REHEARSAL_ID + 5)
WEEK = timedelta(days=7)


def purge(connection: Connection, coupon_id: int, log_keeps: timedelta | None = WEEK) -> Any:
    return purge_in_ledger(connection, coupon_id, "somebody", log_keeps)


def close(database: Database, coupon_id: int) -> None:
    as_owner(database, "UPDATE coupon SET state = 'closed' WHERE coupon_id = %s", coupon_id)
