"""What is left of short sales: of archived coupons, and of users who were erased."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from chaos.history import History, Key, Sale
from chaos.stores import read_gate, read_ledger
from coupons.errors import RedisUnavailable
from coupons.gate import Gate, connect_gate
from coupons.gate.values import coupon_key
from coupons.model import IssueRequest
from coupons.waiting import attempts

POLL_SECONDS = 0.5
_TABLES = (
    "coupon_issue_request",
    "issued_coupon",
    "issue_rejection",
    "issued_coupon_change",
    "coupon_code",
)


@dataclass(frozen=True)
class Ends:
    """Of short sales. issued_counts: of each coupon's row. requests, issued: the rows.

    named: where users who were erased are still named. at_gate: the requests of coupons that are
    not archived. keys: by archived coupon, how many keys the gate has. came_back: by coupon, how
    many requests an old record brought back, which were erased again.
    """

    issued_counts: Mapping[int, int] = field(default_factory=dict)
    requests: Sequence[IssueRequest] = ()
    issued: Sequence[Key] = ()
    named: Sequence[tuple[Key, str]] = ()
    at_gate: Mapping[Key, IssueRequest] = field(default_factory=dict)
    unavailable: Sequence[int] = ()
    keys: Mapping[int, int] = field(default_factory=dict)
    came_back: Mapping[int, int] = field(default_factory=dict)


def read_ends(gate: Gate, ledger: psycopg.Connection[Any], sales: Sequence[Sale]) -> Ends:
    """What gate and ledger hold of these sales, as the ledger's owner reads them."""
    archived = [sale.coupon_id for sale in sales if sale.archived]
    unavailable, at_gate = read_gate(gate, [s.coupon_id for s in sales if not s.archived])
    rows = read_ledger(ledger, [sale.coupon_id for sale in sales])
    erased = {(sale.coupon_id, user_id) for sale in sales for user_id in sale.erased}
    return Ends(
        issued_counts=rows["issued_counts"],
        requests=rows["requests"],
        issued=rows["issued"],
        named=[*_named(ledger, erased), *((key, "the gate") for key in erased & at_gate.keys())],
        at_gate=at_gate,
        unavailable=unavailable,
        keys={each: len(list(gate.client.scan_iter(f"{coupon_key(each)}*"))) for each in archived},
        came_back=_came_back(ledger, [sale.coupon_id for sale in sales]),
    )


def await_ends(where: Mapping[str, str], history: History, within_s: float) -> str:
    """Wait until what was erased or archived is gone and the rest is settled; "", or why not.

    The reconciler ends what was cut off, and erases again what an old record brought back.
    """
    why = ""
    for _ in attempts(within_s, POLL_SECONDS):
        try:
            gate = connect_gate(where["COUPON_REDIS_URL"])
            with psycopg.connect(where["COUPON_DATABASE_URL"], connect_timeout=2) as ledger:
                why = _unfinished(read_ends(gate, ledger, history.sales))
        except (RedisUnavailable, psycopg.OperationalError) as error:
            why = str(error)
        if not why:
            return ""
    return f"short sales are not settled within {within_s:.0f} s: {why}"


def _unfinished(ends: Ends) -> str:
    if ends.named:
        (coupon_id, user_id), table = ends.named[0]
        return f"{table} names user {user_id}, who was erased, of coupon {coupon_id}"
    if left := [coupon_id for coupon_id, keys in ends.keys.items() if keys]:
        return f"the gate has keys of coupon {left[0]}, which is archived"
    if not all(each.is_final for each in (*ends.requests, *ends.at_gate.values())):
        return "a request is not final"
    return ""


def _named(ledger: psycopg.Connection[Any], erased: set[Key]) -> list[tuple[Key, str]]:
    users = [user_id for _, user_id in erased]
    return [
        ((coupon_id, user_id), table)
        for table in _TABLES
        for coupon_id, user_id in ledger.execute(
            sql.SQL("SELECT coupon_id, user_id FROM {} WHERE user_id = ANY (%s)").format(
                sql.Identifier(table)
            ),
            [users],
        )
    ]


def _came_back(ledger: psycopg.Connection[Any], coupon_ids: Sequence[int]) -> dict[int, int]:
    """Each user of a short sale has a request of its coupon alone."""
    rows = ledger.execute(
        "SELECT coupon_id, sum(repeated)::bigint FROM ("
        "  SELECT DISTINCT coupon_id, erasure_id FROM erased_request WHERE coupon_id = ANY (%s)"
        ") AS t JOIN erasure USING (erasure_id) GROUP BY coupon_id",
        [list(coupon_ids)],
    )
    return dict(rows.fetchall())
