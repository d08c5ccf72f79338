"""Requests that were erased while Kafka still has their records: they are neither lost nor open."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from coupons.ledger.connection import Connection, int_array, translated
from coupons.model import to_microseconds
from coupons.queries import query


class ErasedRequest(NamedTuple):
    """The request that was erased, and when. Of one user and coupon there may be several."""

    coupon_id: int
    user_id: int
    requested_at_us: int
    erased_at_us: int


def find_erased_requests(
    connection: Connection, keys: Sequence[tuple[int, int]]
) -> list[ErasedRequest]:
    """The erased requests of these (coupon_id, user_id), in no order; raises LedgerUnavailable."""
    if not keys:
        return []
    values = {
        "coupon_ids": int_array(coupon_id for coupon_id, _ in keys),
        "user_ids": int_array(user_id for _, user_id in keys),
    }
    with translated(connection):
        return [
            ErasedRequest(coupon_id, user, to_microseconds(requested), to_microseconds(erased))
            for coupon_id, user, requested, erased in connection.execute(
                query("find_erased_requests"), values
            )
        ]


def count_early_proofs(connection: Connection, log_keeps: timedelta | None) -> int:
    """Proofs that say too early that Kafka has deleted everything. log_keeps: None: for good."""
    with translated(connection):
        row = connection.execute(query("count_early_proofs"), {"log_keeps": log_keeps}).fetchone()
    assert row is not None
    return int(row[0])
