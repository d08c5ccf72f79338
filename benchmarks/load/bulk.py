"""Existing requests for a measurement: many rows by SQL that the change stream does not carry."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

import psycopg

from benchmarks.load.coupons import create_coupon
from coupons.gate import connect_gate
from coupons.gate.rebuild import rebuild
from coupons.ledger.connection import connect_ledger
from coupons.waiting import attempts
from stack.disposable import DisposableStack

USERS_BELOW = 2**31
"""Users with existing requests have even ids below it, evenly spread; odd ids are free to claim."""
ROOM = 1_000_000
"""Stock left in a coupon with existing requests, where nothing else is asked for."""
ROWS_PER_TRANSACTION = 1_000_000
_ANSWER_SECONDS = 600.0
_STREAMED_WITHIN_SECONDS = 300.0
_TABLES = ("coupon_issue_request", "issued_coupon", "issued_coupon_change", "issue_rejection")
_PUBLICATION = "ALTER PUBLICATION coupon_cdc {} TABLE coupon_issue_request"
_REQUESTS = """
INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)
SELECT %(coupon_id)s, n * 2 * %(step)s, clock_timestamp()
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n"""
_ISSUED = """
INSERT INTO issued_coupon (user_id, coupon_id, requested_at)
SELECT n * 2 * %(step)s, %(coupon_id)s, clock_timestamp()
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n"""
_COUNTED = (
    "UPDATE coupon SET issued_count = issued_count + %(rows)s WHERE coupon_id = %(coupon_id)s"
)
_BEHIND = (
    "SELECT pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots"
    " WHERE slot_name = 'coupon_cdc'"
)
_NEARLY_NOTHING_BYTES = 65_536


class Past(NamedTuple):
    """A coupon with existing requests. written_s: by SQL; loaded_s: at the gate."""

    coupon_id: int
    users: int
    written_s: float
    loaded_s: float


@contextmanager
def unpublished(stack: DisposableStack) -> Iterator[psycopg.Connection]:
    """While the block runs, the change stream carries no requests; yields the tables' owner.

    Postgres uses the publication as it was when a row was written, however much later the row is
    decoded.
    """
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        owner.execute(_PUBLICATION.format("DROP"))
        try:
            yield owner
        finally:
            owner.execute(_PUBLICATION.format("ADD"))


def await_stream(stack: DisposableStack) -> None:
    """Wait until the connector has read all WAL written until now. Raises TimeoutError."""
    behind = 0
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        for _ in attempts(_STREAMED_WITHIN_SECONDS, 0.1):
            row = owner.execute(_BEHIND).fetchone()
            behind = int(row[0]) if row else 0
            if behind <= _NEARLY_NOTHING_BYTES:
                return
    raise TimeoutError(f"the connector is {behind:,} bytes behind")


def checkpoint(stack: DisposableStack) -> None:
    """Make a checkpoint, so that none happens during a measurement and all begin alike.

    The first change of a page after a checkpoint writes the complete page to the WAL.
    """
    with psycopg.connect(
        stack.database_url("owner"),
        user="postgres",
        password=stack.folder.secret("postgres"),
        autocommit=True,
    ) as superuser:
        superuser.execute("CHECKPOINT")


def forget_requests(stack: DisposableStack) -> None:
    """Empty the tables that grow with requests; the coupons and the gate stay."""
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        owner.execute(f"TRUNCATE {', '.join(_TABLES)}")


def write_past(stack: DisposableStack, users: int, at_gate: bool = True, room: int = ROOM) -> Past:
    """Write a coupon with this many issued requests, in the ledger and at the gate.

    at_gate: False writes to the ledger only, for rows that only fill the table. room: the stock
    that is left.
    """
    coupon_id = create_coupon(stack, min(users + room, 1_000_000_000))
    began = time.monotonic()
    with unpublished(stack) as owner:
        for first in range(1, users + 1, ROWS_PER_TRANSACTION):
            last = min(users, first + ROWS_PER_TRANSACTION - 1)
            write_rows(owner, coupon_id, users, first, last)
            # The slot keeps a limited amount of WAL: a connector that lags further loses it.
            await_stream(stack)
        # Otherwise autovacuum runs in the middle of a measurement.
        for table in _TABLES:
            owner.execute(f"VACUUM (ANALYZE) {table}")
    await_stream(stack)
    written = time.monotonic()
    if at_gate:
        _load_gate(stack, coupon_id)
    return Past(coupon_id, users, written - began, time.monotonic() - written)


def write_rows(
    owner: psycopg.Connection, coupon_id: int, users: int, first: int, last: int
) -> None:
    """Write requests `first` to `last` of a coupon, all issued, in one transaction.

    users: how many there will be, evenly spread.
    """
    values = {
        "coupon_id": coupon_id,
        "step": USERS_BELOW // 2 // users,
        "first": first,
        "last": last,
        "rows": last - first + 1,
    }
    with owner.transaction():
        for statement in (_REQUESTS, _ISSUED, _COUNTED):
            owner.execute(statement, values)


def _load_gate(stack: DisposableStack, coupon_id: int) -> None:
    gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
    url = stack.database_url("reconciler")
    with closing(connect_ledger(url, "coupon-benchmark", _ANSWER_SECONDS)) as connection:
        for _ in attempts(_ANSWER_SECONDS, 0.1):
            # None: the reconciler rebuilds it just now.
            if rebuild(gate, connection, coupon_id) is not None:
                return
    raise TimeoutError(f"coupon {coupon_id} could not be loaded at the gate")
