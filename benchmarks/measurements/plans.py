"""Work of Postgres for a batch of claims: EXPLAIN (ANALYZE) of the statements, rolled back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg

from benchmarks.load.rounds import Users
from coupons.ledger.connection import int_array
from coupons.queries import query

BATCH = 24
"""Claims, as many as a batch has at full load."""

STATEMENTS = ("accept_requests", "issue_requests")
_REPEATED = 5
"""The first one loads pages and plans, and is not counted."""


@dataclass(frozen=True)
class Plan:
    """How one statement handled a batch of new users' claims on one coupon.

    requests: rows in the table. blocks: of 8 KiB that it read, for a claim. ms: for the batch.
    scanned: tables that it read from end to end.
    """

    requests: int
    statement: str
    blocks: float
    ms: float
    scanned: frozenset[str]


def explain_claims(owner_url: str, coupon_id: int, users: Users, requests: int) -> list[Plan]:
    """For each statement the median of some batches, by blocks. All of it is rolled back.

    requests: rows in the table.
    """
    found: dict[str, list[Plan]] = {name: [] for name in STATEMENTS}
    with psycopg.connect(owner_url, cursor_factory=psycopg.ClientCursor) as connection:
        for _ in range(_REPEATED):
            values = _batch(connection, coupon_id, list(islice(users, BATCH)))
            for name in STATEMENTS:
                found[name].append(_explain(connection, name, values, requests))
            connection.rollback()
    return [
        sorted(plans[1:], key=lambda plan: plan.blocks)[len(plans) // 2] for plans in found.values()
    ]


def _batch(
    connection: psycopg.Connection, coupon_id: int, user_ids: Sequence[int]
) -> dict[str, object]:
    row = connection.execute(
        "SELECT gate_epoch FROM coupon WHERE coupon_id = %s", [coupon_id]
    ).fetchone()
    assert row is not None
    each = int_array([coupon_id] * len(user_ids))
    return {
        "coupon_ids": int_array([coupon_id]),
        "epochs": int_array([row[0]]),
        "request_coupon_ids": each,
        "user_ids": int_array(user_ids),
        "requested_at_us": int_array(range(len(user_ids))),
    }


def _explain(
    connection: psycopg.Connection, name: str, values: Mapping[str, object], requests: int
) -> Plan:
    if name == "issue_requests":
        values = {**values, "coupon_ids": values["request_coupon_ids"]}
    row = connection.execute(
        b"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + query(name), values
    ).fetchone()
    assert row is not None
    [explained] = row[0]
    nodes = list(_nodes(explained["Plan"]))
    read = {node.get("CTE Name") for node in nodes}
    # A CTE that writes and that no node reads runs after the top node, whose figures omit it.
    after = [node for node in nodes if node.get("Subplan Name", "")[4:] not in read | {""}]
    blocks = sum(
        node["Shared Hit Blocks"] + node["Shared Read Blocks"]
        for node in (explained["Plan"], *after)
    )
    scanned = {node["Relation Name"] for node in nodes if _is_full_scan(node)}
    return Plan(
        requests, name, blocks / BATCH, explained["Execution Time"], frozenset(scanned - {"coupon"})
    )


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from _nodes(below)


def _is_full_scan(node: Mapping[str, Any]) -> bool:
    """Whether the node reads a table from end to end; scans of empty tables do not count."""
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return bool(node["Node Type"] == "Seq Scan" and rows > 0)
