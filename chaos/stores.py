"""Reads what ledger and gate hold of some coupons."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from chaos.history import Key
from coupons.gate import Gate
from coupons.gate.values import coupon_key, read_request, shard_count
from coupons.ledger.requests import stream_requests
from coupons.model import IssueRequest, Status

SHARDS_PER_READ = 1_000


class ChangeRow(NamedTuple):
    """A row of issued_coupon_change."""

    coupon_id: int
    user_id: int
    number: int
    from_state: str
    to_state: str
    changed_at: datetime
    order_reference: str | None
    reason: str | None

    @property
    def key(self) -> Key:
        """The issued coupon."""
        return self.coupon_id, self.user_id


class EntryRow(NamedTuple):
    """A row of standby_entry. number: the order of the line."""

    coupon_id: int
    user_id: int
    number: int
    state: str

    @property
    def key(self) -> Key:
        """The request of who is promoted."""
        return self.coupon_id, self.user_id


class IssuedNow(NamedTuple):
    """An issued coupon as everybody reads it, at a moment. expires_at: None: never."""

    state: str
    expires_at: datetime | None
    read_at: datetime


def read_ledger(ledger: psycopg.Connection[Any], coupon_ids: Sequence[int]) -> dict[str, Any]:
    """The fields of Evidence that come from the ledger, all as of one moment."""
    with ledger.transaction():
        # The sweep and late calls go on writing.
        ledger.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return _read_rows(ledger, coupon_ids)


def _read_rows(ledger: psycopg.Connection[Any], coupon_ids: Sequence[int]) -> dict[str, Any]:
    coupons = ledger.execute(
        "SELECT coupon_id, total_quantity, issued_count FROM coupon WHERE coupon_id = ANY(%s)",
        [list(coupon_ids)],
    ).fetchall()
    rows = {
        table: ledger.execute(
            sql.SQL("SELECT coupon_id, user_id FROM {} WHERE coupon_id = ANY(%s)").format(
                sql.Identifier(table)
            ),
            [list(coupon_ids)],
        ).fetchall()
        for table in ("issued_coupon", "issue_rejection")
    }
    changes = ledger.execute(
        "SELECT coupon_id, user_id, change_number, from_state, to_state, changed_at,"
        " order_reference, reason FROM issued_coupon_change WHERE coupon_id = ANY(%s)"
        " ORDER BY coupon_id, user_id, change_number",
        [list(coupon_ids)],
    )
    lives = [ChangeRow(*row) for row in changes]
    owned = ledger.execute(
        "SELECT coupon_id, user_id, state, expires_at, now() FROM owned_coupon"
        " WHERE coupon_id = ANY(%s)",
        [list(coupon_ids)],
    )
    entries = ledger.execute(
        "SELECT coupon_id, user_id, number, state FROM standby_entry WHERE coupon_id = ANY(%s)"
        " ORDER BY coupon_id, number",
        [list(coupon_ids)],
    )
    return {
        "totals": {row[0]: row[1] for row in coupons},
        "issued_counts": {row[0]: row[2] for row in coupons},
        "requests": [each for coupon in coupon_ids for each in stream_requests(ledger, coupon)],
        "issued": rows["issued_coupon"],
        "rejected": rows["issue_rejection"],
        "changes": lives,
        "entries": [EntryRow(*row) for row in entries],
        "owned": {(row[0], row[1]): IssuedNow(*row[2:]) for row in owned},
    }


def read_gate(gate: Gate, coupon_ids: Sequence[int]) -> tuple[list[int], dict[Key, IssueRequest]]:
    """Coupons for which the gate is unavailable, and every request that it holds of the others."""
    states = dict(zip(coupon_ids, gate.unavailable(coupon_ids), strict=True))
    unavailable = [coupon_id for coupon_id, state in states.items() if state is not None]
    held = [
        request
        for coupon_id in coupon_ids
        if coupon_id not in unavailable
        for request in _requests(gate, coupon_id)
    ]
    return unavailable, {(request.coupon_id, request.user_id): request for request in held}


def _requests(gate: Gate, coupon_id: int) -> Iterator[IssueRequest]:
    """Every request that the gate holds, whether the ledger has it or not."""
    key = coupon_key(coupon_id)
    fields: Any = gate.client.hmget(key, "epoch", "shards")
    epoch, shards = fields
    prefix = f"{key}:{epoch}"
    numbers = range(int(shards or shard_count(1)))
    for first in numbers[::SHARDS_PER_READ]:
        pipeline = gate.client.pipeline(transaction=False)
        for shard in numbers[first : first + SHARDS_PER_READ]:
            pipeline.hgetall(f"{prefix}:settled:{shard}")
        for settled in pipeline.execute():
            for user, value in settled.items():
                yield read_request(coupon_id, int(user), value)
    pending: Any = gate.client.zrange(f"{prefix}:pending", 0, -1, withscores=True)
    for user, score in pending:
        yield IssueRequest(coupon_id, int(user), int(score) // 2, Status.REQUESTED)
