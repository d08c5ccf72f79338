"""Statuses of issue requests: from the gate, or else from the ledger."""

from collections.abc import Sequence
from itertools import groupby

from coupons.errors import RedisUnavailable
from coupons.gate import Gate
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.requests import find_requests
from coupons.model import GateState, IssueRequest

Key = tuple[int, int]
"""(coupon_id, user_id) of a request."""


class Statuses:
    """Reads requests. Safe to share between threads."""

    def __init__(self, gate: Gate, pool: LedgerPool) -> None:
        self._gate = gate
        self._pool = pool

    def find(self, keys: Sequence[Key]) -> dict[Key, IssueRequest]:
        """The requests that exist. Raises LedgerUnavailable: neither gate nor ledger answers."""
        found: dict[Key, IssueRequest] = {}
        for coupon_id, group in groupby(sorted(keys), key=lambda key: key[0]):
            for request in self._at_gate(coupon_id, [user_id for _, user_id in group]):
                found[request.coupon_id, request.user_id] = request
        if unknown := [key for key in keys if key not in found]:
            with pooled(self._pool) as connection:
                for request in find_requests(connection, unknown):
                    found[request.coupon_id, request.user_id] = request
        return found

    def _at_gate(self, coupon_id: int, user_ids: Sequence[int]) -> list[IssueRequest]:
        try:
            answer = self._gate.read(coupon_id, user_ids)
        except RedisUnavailable:
            return []
        return [] if isinstance(answer, GateState) else [each for each in answer if each]
