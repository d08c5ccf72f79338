"""Redis queue: 202 once the request is in a list in Redis; a worker saves batches of it.

As good as the idea allows: the worker moves what it takes to a list of its own and forgets it only
after the commit, so that a worker that dies loses nothing; what Postgres refuses goes to a list of
failures. What the idea cannot give: until the worker has saved it, an accepted request is in Redis
alone.
"""

import logging
from collections.abc import Callable, Sequence
from threading import Event
from typing import cast

import redis
from redis.exceptions import RedisError

from api.claims import Trouble, Verdict
from api.settings import ApiSettings
from benchmarks.strategies.answering import admissions_of, answers
from coupons.errors import GateUnavailable, LedgerUnavailable
from coupons.gate import Gate
from coupons.ledger.connection import connect_ledger
from coupons.ledger.issued_coupons import issue_requests
from coupons.model import Claim, IssueRequest, Status

WAITING, IN_WORK, FAILED = (f"redis_queue:{name}" for name in ("waiting", "in-work", "failed"))
BATCH = 500
WAIT_SECONDS = 0.5
PAUSE_SECONDS = 0.5

log = logging.getLogger(__name__)


def writer(_settings: ApiSettings, gate: Gate) -> Callable[[Sequence[Claim]], list[Verdict]]:
    """Admits a batch and pushes it."""

    def write(claims: Sequence[Claim]) -> list[Verdict]:
        try:
            decisions = gate.admit(claims)
            admitted = admissions_of(decisions)
            if admitted:
                entries = [f"{a.coupon_id} {a.user_id} {a.requested_at_us}" for a in admitted]
                gate.client.rpush(WAITING, *entries)
        except (GateUnavailable, RedisError):
            return [Trouble.GATE_UNAVAILABLE] * len(claims)
        return answers(decisions)

    return write


def work(gate: Gate, database_url: str, stopping: Event) -> None:
    """Save batches until `stopping` is set; Redis or Postgres away: try again."""
    while not stopping.is_set():
        try:
            with connect_ledger(database_url, "redis-queue-worker") as connection:
                while not stopping.is_set():
                    entries = _take(gate.client)
                    if entries:
                        requests = [_request(entry) for entry in entries]
                        outcomes = issue_requests(connection, requests)
                        gate.settle(outcome.request for outcome in outcomes)
                        _forget(gate.client, entries, requests, {o.request[:2] for o in outcomes})
        except (GateUnavailable, LedgerUnavailable, RedisError) as error:
            log.warning("again in %s s: %s", PAUSE_SECONDS, error)
            stopping.wait(PAUSE_SECONDS)


def _take(client: redis.Redis) -> list[str]:
    """What an earlier worker left, or else a batch of what waits, moved to the list in work."""
    left = cast(list[str], client.lrange(IN_WORK, 0, -1))
    if left:
        return left
    first = client.blmove(WAITING, IN_WORK, WAIT_SECONDS, "LEFT", "RIGHT")  # type: ignore[arg-type]
    if first is None:
        return []
    pipeline = client.pipeline(transaction=True)
    for _ in range(min(BATCH - 1, cast(int, client.llen(WAITING)))):
        pipeline.lmove(WAITING, IN_WORK, "LEFT", "RIGHT")
    return [cast(str, first), *(entry for entry in pipeline.execute() if entry is not None)]


def _forget(
    client: redis.Redis,
    entries: Sequence[str],
    requests: Sequence[IssueRequest],
    final: set[tuple[int, int]],
) -> None:
    failed = [
        entry for entry, request in zip(entries, requests, strict=True) if request[:2] not in final
    ]
    pipeline = client.pipeline(transaction=True)
    if failed:
        pipeline.rpush(FAILED, *failed)
    pipeline.delete(IN_WORK)
    pipeline.execute()


def _request(entry: str) -> IssueRequest:
    coupon_id, user_id, requested_at_us = map(int, entry.split())
    return IssueRequest(coupon_id, user_id, requested_at_us, Status.REQUESTED)
