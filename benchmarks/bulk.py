"""A ledger with a past: many rows by SQL that the change stream never carries."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

import psycopg

from benchmarks.load import create_coupon
from coupons.gate import connect_gate, open_coupon
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import begin_gate_epoch
from coupons.ledger.requests import stream_requests
from stack.disposable import DisposableStack

USERS_BELOW = 2**31
"""Users of the past are even numbers below it, evenly spread; users who claim are odd ones."""
ROOM = 1_000_000
"""Places left in a coupon with a past."""
ROWS_PER_TRANSACTION = 1_000_000
_ANSWER_SECONDS = 600.0
_TRIES = 5
"""The reconciler rebuilds a coupon that it finds fenced, and makes the load under way void."""
_PASSED_WITHIN_SECONDS = 300.0
_TABLES = ("coupon_issue_request", "issued_coupon", "issue_rejection")
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
    """A coupon whose users came before. seconds: by the SQL, by the gate's rebuild."""

    coupon_id: int
    users: int
    written_s: float
    loaded_s: float


@contextmanager
def unpublished(stack: DisposableStack) -> Iterator[psycopg.Connection]:
    """As the tables' owner; requests that are written meanwhile are in no change stream.

    The publication counts as it was when a row was written, however much later that is decoded.
    Afterwards, with Connect running, the stream is past those rows.
    """
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        owner.execute(_PUBLICATION.format("DROP"))
        try:
            yield owner
        finally:
            owner.execute(_PUBLICATION.format("ADD"))


def await_stream(stack: DisposableStack) -> None:
    """Until the connector has passed all that is in the WAL now. Raises TimeoutError."""
    deadline = time.monotonic() + _PASSED_WITHIN_SECONDS
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        while (row := owner.execute(_BEHIND).fetchone()) and row[0] > _NEARLY_NOTHING_BYTES:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the connector is {row[0]:,} bytes behind")
            time.sleep(0.1)


def checkpoint(stack: DisposableStack) -> None:
    """So that none comes by itself in a measurement, and each begins alike.

    The first change of a page after a checkpoint writes the whole page to the WAL.
    """
    with psycopg.connect(
        stack.database_url("owner"),
        user="postgres",
        password=stack.folder.secret("postgres"),
        autocommit=True,
    ) as superuser:
        superuser.execute("CHECKPOINT")


def forget_requests(stack: DisposableStack) -> None:
    """Empty the tables that grow with requests; coupons stay, and so does the gate."""
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        owner.execute(f"TRUNCATE {', '.join(_TABLES)}")


def write_past(stack: DisposableStack, users: int, at_gate: bool = True) -> Past:
    """A coupon that this many users have had issued, in the ledger and at the gate.

    at_gate: False leaves the gate as it is, for rows that only are to be there.
    """
    coupon_id = create_coupon(stack, min(users + ROOM, 1_000_000_000))
    began = time.monotonic()
    with unpublished(stack) as owner:
        for first in range(1, users + 1, ROWS_PER_TRANSACTION):
            last = min(users, first + ROWS_PER_TRANSACTION - 1)
            _write_rows(owner, coupon_id, USERS_BELOW // 2 // users, first, last)
            # The slot may keep so much WAL and no more: a connector that lags would lose it.
            await_stream(stack)
        # Otherwise autovacuum comes by itself, in the middle of a measurement.
        for table in _TABLES:
            owner.execute(f"VACUUM (ANALYZE) {table}")
    await_stream(stack)
    written = time.monotonic()
    if at_gate:
        _load_gate(stack, coupon_id)
    return Past(coupon_id, users, written - began, time.monotonic() - written)


def _write_rows(
    owner: psycopg.Connection, coupon_id: int, step: int, first: int, last: int
) -> None:
    """Requests number first to last of a coupon, all issued, in one transaction."""
    values = {
        "coupon_id": coupon_id,
        "step": step,
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
        for _ in range(_TRIES):
            coupon = begin_gate_epoch(connection, coupon_id)
            assert coupon is not None
            if open_coupon(gate, coupon, stream_requests(connection, coupon_id)):
                return
        raise RuntimeError(f"coupon {coupon_id} could not be opened at the gate")
