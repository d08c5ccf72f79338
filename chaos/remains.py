"""What is there of rehearsals: before their purge, and afterwards."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from chaos.admissions import RehearsalLog
from coupons.gate import Gate
from coupons.gate.removal import count_keys
from coupons.ids import FIRST_ERASED_ID, FIRST_REHEARSAL_ID
from coupons.ledger.connection import connect_ledger
from coupons.ledger.rehearsals import count_rows, find_rehearsal

NAME = "chaos"


@dataclass(frozen=True)
class Left:
    """What is there of a rehearsal. rows: by table. keys: in Redis."""

    is_purged: bool
    rows: Mapping[str, int] = field(default_factory=dict)
    keys: int = 0


def read_left(gate: Gate, database_url: str, coupon_ids: Sequence[int]) -> Mapping[int, Left]:
    """By rehearsal, what is there of it."""
    with closing(connect_ledger(database_url, NAME)) as ledger:
        found = {}
        for coupon_id in coupon_ids:
            rehearsal = find_rehearsal(ledger, coupon_id)
            is_purged = rehearsal is not None and rehearsal.purged_at is not None
            rows = count_rows(ledger, coupon_id)
            found[coupon_id] = Left(is_purged, rows, count_keys(gate, coupon_id))
        return found


def note_rehearsal(owner: psycopg.Connection[Any], coupon_id: int, log: RehearsalLog) -> None:
    """Note what a rehearsal has that is not purged; the most that was seen stays."""
    values = [coupon_id, FIRST_REHEARSAL_ID, FIRST_ERASED_ID]
    counted = owner.execute(
        "SELECT (SELECT count(*) FROM issued_coupon WHERE coupon_id = %s),"
        " (SELECT count(*) FROM coupon_issue_request"
        "   WHERE coupon_id = %s AND (user_id < %s OR user_id >= %s))",
        [coupon_id, *values],
    ).fetchone()
    assert counted is not None
    seen = (*counted, _published(owner, coupon_id))
    for noted, number in zip((log.issued, log.strangers, log.published), seen, strict=True):
        noted[coupon_id] = max(number, noted.get(coupon_id, 0))


def _published(owner: psycopg.Connection[Any], coupon_id: int) -> int:
    """Issued coupons that Postgres lets through to the stream of events: by its own filter."""
    row = owner.execute(
        "SELECT rowfilter FROM pg_publication_tables"
        " WHERE pubname = 'coupon_events' AND tablename = 'issued_coupon'"
    ).fetchone()
    assert row is not None
    passes = sql.SQL(row[0] or "true")
    counted = owner.execute(
        sql.SQL("SELECT count(*) FROM issued_coupon WHERE coupon_id = %s AND {}").format(passes),
        [coupon_id],
    ).fetchone()
    assert counted is not None
    return int(counted[0])
