"""Handles one batch, in the order that keeps every guarantee."""

import logging
import time
from collections.abc import Sequence

from cdc_consumer.batch import Contents, read_batch
from cdc_consumer.dead_letters import DeadLetters, FailedRecord
from cdc_consumer.health import Health
from cdc_consumer.issuing import Issued, Issuer
from cdc_consumer.limits import DlqLimitState
from cdc_consumer.metrics import (
    CONSUMER_BATCH_DURATION,
    CONSUMER_BATCH_EVENTS,
    CONSUMER_EVENTS,
    CONSUMER_PROCESSING_DELAY,
)
from cdc_consumer.records import Record
from cdc_consumer.tracing import BatchTracer
from coupons.change_events import ChangeEventDecoder
from coupons.errors import UnknownCoupon
from coupons.gate import Gate
from coupons.gate.heartbeat import record_heartbeat
from coupons.model import IssueRequest, Status
from coupons.process.logging import REQUESTS, log_requests

log = logging.getLogger(__name__)


class BatchHandler:
    """Makes the requests of a batch final, and dead-letters those that cannot be.

    tracer: None when tracing is off.
    """

    def __init__(
        self,
        decoder: ChangeEventDecoder,
        issuer: Issuer,
        gate: Gate,
        dead_letters: DeadLetters,
        limit_state: DlqLimitState,
        health: Health,
        tracer: BatchTracer | None = None,
    ) -> None:
        self._decoder = decoder
        self._issuer = issuer
        self._gate = gate
        self._dead_letters = dead_letters
        self._limit_state = limit_state
        self._health = health
        self._tracer = tracer
        self._attempts = 0

    def handle(self, records: Sequence[Record]) -> None:
        """Handle a batch; afterwards its offsets may be committed. Repeating it is harmless.

        Raises LedgerUnavailable, RedisUnavailable, SchemaRegistryUnavailable, KafkaUnavailable or
        DeadLetterOutage. Then any part may have been done (but at an outage nothing was
        dead-lettered), and the batch must be repeated.
        """
        self._attempts += 1
        started = time.perf_counter()
        contents = read_batch(self._decoder, records)
        issued = self._issuer.issue([request for _, request in contents.requests])
        committed_ns = time.time_ns()
        self._gate.settle(outcome.request for outcome in issued.outcomes)
        marked_ns = time.time_ns()
        failed = [*contents.undecodable, *_without_outcome(contents, issued)]
        recent = self._limit_state.after(records, failed)
        self._dead_letters.deliver(failed, self._attempts)
        self._limit_state.keep(recent)
        self._attempts = 0
        if contents.newest_heartbeat_us is not None:
            record_heartbeat(self._gate.client, contents.newest_heartbeat_us)
            self._health.heartbeat_seen(contents.newest_heartbeat_us)
        CONSUMER_BATCH_DURATION.observe(time.perf_counter() - started)
        _count(records, contents, issued, failed)
        if self._tracer is not None:
            self._tracer.handled(contents.requests, issued.outcomes, committed_ns, marked_ns)


def _without_outcome(contents: Contents, issued: Issued) -> list[FailedRecord]:
    """The requests that have no outcome: Postgres refused them, or has no such coupon.

    Old records of a rehearsal that was purged need nothing.
    """
    final = {outcome.request[:2] for outcome in issued.outcomes}
    final |= {request[:2] for request in issued.retired}
    if len(final) == len(contents.requests):
        return []
    refused = {request[:2]: error for request, error in issued.refused}
    return [
        FailedRecord(
            record, refused.get(request[:2]) or _unknown_coupon(request.coupon_id), request
        )
        for record, request in contents.requests
        if request[:2] not in final and request.coupon_id not in issued.purged
    ]


def _unknown_coupon(coupon_id: int) -> UnknownCoupon:
    return UnknownCoupon(f"the ledger has no coupon {coupon_id}")


def _count(
    records: Sequence[Record],
    contents: Contents,
    issued: Issued,
    failed: Sequence[FailedRecord],
) -> None:
    CONSUMER_BATCH_EVENTS.observe(len(records))
    fresh = [outcome.request for outcome in issued.outcomes if outcome.fresh]
    now_us = time.time() * 1_000_000
    for request in fresh:
        CONSUMER_PROCESSING_DELAY.observe((now_us - request.requested_at_us) / 1_000_000)
    number_issued = sum(request.status is Status.ISSUED for request in fresh)
    results = {
        "issued": number_issued,
        "rejected": len(fresh) - number_issued,
        "repeated": len(issued.outcomes) - len(fresh),
        "retired": len(issued.retired),
        "dead_letter": len(failed),
        "purged": sum(request.coupon_id in issued.purged for _, request in contents.requests),
        "heartbeat": len(records) - len(contents.requests) - len(contents.undecodable),
    }
    for result, number in results.items():
        CONSUMER_EVENTS.labels(result).inc(number)
    _log_outcomes(issued)
    for record, error, failed_request in failed:
        fields = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        fields |= _ids(failed_request)
        log.error("dead-lettered: %s: %s", type(error).__name__, error, extra=fields)


def _log_outcomes(issued: Issued) -> None:
    """One search for an id finds what happened to the request, also at each repetition."""
    if not REQUESTS.isEnabledFor(logging.INFO):
        return
    by_message: dict[str, list[tuple[int, int]]] = {}
    for request, fresh in issued.outcomes:
        what = "and marked" if fresh else "before; marked again"
        by_message.setdefault(f"{request.status} {what}", []).append(request[:2])
    for message, keys in by_message.items():
        log_requests(message, keys)


def _ids(request: IssueRequest | None) -> dict[str, int | str]:
    if request is None:
        return {}
    ids = {"coupon_id": request.coupon_id, "user_id": request.user_id}
    return {**ids, "request_id": request.id}
