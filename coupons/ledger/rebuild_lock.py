"""The lock of a coupon at the gate: one process at a time loads its keys, or removes them."""

from collections.abc import Iterator
from contextlib import contextmanager

from coupons.ledger.connection import Connection, translated
from coupons.queries import query


@contextmanager
def alone_with(connection: Connection, coupon_id: int) -> Iterator[bool]:
    """Whether this session has the lock. It ends with the session too."""
    values = {"coupon_id": coupon_id}
    with translated(connection):
        row = connection.execute(query("lock_rebuild"), values).fetchone()
    locked = row is not None and bool(row[0])
    try:
        yield locked
    finally:
        # A broken connection has released the lock by itself.
        if locked and not connection.broken and not connection.closed:
            with translated(connection):
                connection.execute(query("unlock_rebuild"), values)
