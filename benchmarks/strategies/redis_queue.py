"""Redis queue: 202 once the request is in a list in Redis; a worker saves batches of it.

As good as the idea allows: the worker moves a batch to a second list and removes it only after the
commit, so a worker that crashes loses nothing; what Postgres refuses goes to a list of failures.
The cost of the idea: until the worker has saved it, an accepted request is in Redis only. The last
second is lost when the machine crashes (appendfsync everysec), and all waiting requests are lost
when Redis fails over to a replica that lags.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import cast

import redis
from redis.exceptions import RedisError

from api.claim_results import ClaimOutcome, ClaimResult
from api.settings import ApiSettings
from benchmarks.strategies.claim_results import admissions_of, results
from cdc_consumer.issuing import Issuer
from coupons.errors import LedgerUnavailable, RedisUnavailable
from coupons.gate import Gate
from coupons.model import Claim, IssueRequest, Status

WAITING, IN_WORK, FAILED = (f"redis_queue:{name}" for name in ("waiting", "in-work", "failed"))
BATCH = 500
WAIT_SECONDS = 0.5
PAUSE_SECONDS = 0.5

_TAKE = Path(__file__).with_name("take.lua").read_text("utf-8")

log = logging.getLogger(__name__)


def writer(_settings: ApiSettings, gate: Gate) -> Callable[[Sequence[Claim]], list[ClaimResult]]:
    """Return a function that admits a batch and pushes it to the list."""

    def write(claims: Sequence[Claim]) -> list[ClaimResult]:
        try:
            decisions = gate.admit(claims)
            admitted = admissions_of(decisions)
            if admitted:
                entries = [f"{a.coupon_id} {a.user_id} {a.requested_at_us}" for a in admitted]
                gate.client.rpush(WAITING, *entries)
        except (RedisUnavailable, RedisError):
            return [ClaimResult(ClaimOutcome.GATE_UNAVAILABLE)] * len(claims)
        return results(decisions)

    return write


def work(gate: Gate, database_url: str, stopping: Event) -> None:
    """Save batches until `stopping` is set; retry while Redis or Postgres is down."""
    ledger = Issuer(database_url)
    while not stopping.is_set():
        try:
            if entries := _unfinished(gate.client) or _take(gate.client):
                _save(gate, ledger, entries)
        except (RedisUnavailable, LedgerUnavailable, RedisError) as error:
            log.warning("retrying in %s s: %s", PAUSE_SECONDS, error)
            stopping.wait(PAUSE_SECONDS)
    ledger.close()


def _unfinished(client: redis.Redis) -> list[str]:
    """The batch that this worker, or one that crashed before it, took and did not finish."""
    return cast(list[str], client.lrange(IN_WORK, 0, -1))


def _take(client: redis.Redis) -> list[str]:
    """Move a batch from the waiting list to the list in work; wait shortly for the first entry."""
    first = client.blmove(WAITING, IN_WORK, WAIT_SECONDS, "LEFT", "RIGHT")  # type: ignore[arg-type]
    if first is None:
        return []
    more = client.eval(_TAKE, 2, WAITING, IN_WORK, str(BATCH - 1))
    return [cast(str, first), *cast(list[str], more)]


def _save(gate: Gate, ledger: Issuer, entries: Sequence[str]) -> None:
    """Issue a batch, mark it in Redis and remove it; what Postgres refuses goes to the failures."""
    requests = [_request(entry) for entry in entries]
    outcomes = ledger.issue(requests).outcomes
    gate.settle(outcome.request for outcome in outcomes)
    final = {outcome.request[:2] for outcome in outcomes}
    failed = [
        entry for entry, request in zip(entries, requests, strict=True) if request[:2] not in final
    ]
    pipeline = gate.client.pipeline(transaction=True)
    if failed:
        pipeline.rpush(FAILED, *failed)
    pipeline.delete(IN_WORK)
    pipeline.execute()


def _request(entry: str) -> IssueRequest:
    coupon_id, user_id, requested_at_us = map(int, entry.split())
    return IssueRequest(coupon_id, user_id, requested_at_us, Status.REQUESTED)
