"""Spans of the requests of a batch: issued or rejected in the ledger, then marked at the gate."""

from collections.abc import Sequence

from cdc_consumer.records import Record
from coupons.ledger.issued_coupons import Outcome
from coupons.model import IssueRequest
from coupons.process.tracing import (
    CLAIM,
    ISSUE,
    Attributes,
    Span,
    Tracer,
    new_span_id,
    stage_span_id,
)

DEAD_LETTER = "dead_letter"


class BatchTracer:
    """Emits the spans of handled batches."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def handled(
        self,
        requests: Sequence[tuple[Record, IssueRequest]],
        outcomes: Sequence[Outcome],
        committed_ns: int,
        marked_ns: int,
    ) -> None:
        """Emit the spans of those that are sampled.

        committed_ns, marked_ns: when the outcomes were committed in the ledger and then marked.
        """
        samples = self._tracer.samples
        sampled = {
            request[:2]: record
            for record, request in requests
            if samples(request.coupon_id, request.user_id)
        }
        if not sampled:
            return
        for request, fresh in outcomes:
            record = sampled.pop(request[:2], None)
            if record is None:
                continue
            about: Attributes = {
                "result": str(request.status),
                "repeated": not fresh,
                "events": len(requests),
                **({} if request.reason is None else {"reason": request.reason}),
            }
            issue = self._issue(request[:2], record, committed_ns, about, first=fresh)
            self._tracer.emit(
                Span(*request[:2], "mark", new_span_id(), issue, committed_ns, marked_ns, {})
            )
        for key, record in sampled.items():
            self._issue(key, record, committed_ns, {"result": DEAD_LETTER}, first=False)

    def _issue(
        self,
        key: tuple[int, int],
        record: Record,
        committed_ns: int,
        about: Attributes,
        first: bool,
    ) -> int:
        """Emit what was done for one record, since it is in Kafka; return the span's id.

        first: whether it made the request final. Only that span has an id that others know.
        """
        span_id = stage_span_id(*key, ISSUE) if first else new_span_id()
        since_ns = record.timestamp_ms * 1_000_000 if record.timestamp_ms > 0 else committed_ns
        where: Attributes = {"partition": record.partition, "offset": record.offset}
        failed = about["result"] == DEAD_LETTER
        parent = stage_span_id(*key, CLAIM)
        self._tracer.emit(
            Span(*key, ISSUE, span_id, parent, since_ns, committed_ns, {**where, **about}, failed)
        )
        return span_id
