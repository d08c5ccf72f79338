"""What a consumer does for a traced request is below the claim, and nothing is carried to it."""

from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from cdc_consumer.handling import BatchHandler
from cdc_consumer.tracing import BatchTracer
from coupons.ids import request_id_text
from coupons.model import Coupon
from coupons.process.metrics import trace_spans_counter
from coupons.process.settings import ProcessSettings
from coupons.process.tracing import CLAIM, ISSUE, Tracer, stage_span_id, start_tracing
from tests.support.api_process import Bearer, running
from tests.support.collector import Collector, Received
from tests.support.events import KeptLetters, request_records
from tests.support.handling import PLACES

NOT_THERE = 999
Exported = Callable[[], list[Received]]


@pytest.fixture
def tracer(collector: Collector, handler: BatchHandler) -> Iterator[Tracer]:
    """Of the handler."""
    settings = ProcessSettings(
        database_url=SecretStr("postgresql://role:password@host:1/database"),
        redis_url=SecretStr("redis://host:1/0"),
        trace_endpoint=SecretStr(collector.url),
        trace_sample_ratio=1,
    )
    counter = trace_spans_counter("test", CollectorRegistry())
    tracer = start_tracing(settings, "coupon-consumer", counter)
    assert tracer is not None
    handler._tracer = BatchTracer(tracer)  # as the composition root gives it
    yield tracer
    tracer.stop()


@pytest.fixture
def exported(tracer: Tracer, collector: Collector) -> Exported:
    """All spans until now; ends tracing."""

    def stop() -> list[Received]:
        tracer.stop()
        return collector.spans

    return stop


def test_an_issued_request_is_issued_below_its_claim_and_marked_below_that(
    handler: BatchHandler, coupon: Coupon, exported: Exported
) -> None:
    handler.handle(request_records(coupon.coupon_id, [1, 2]))
    found = exported()
    for offset, user in enumerate((1, 2)):
        key = coupon.coupon_id, user
        issue, mark = [each for each in found if str(each.trace) == request_id_text(*key)]
        assert (issue.name, issue.span_id) == (ISSUE, stage_span_id(*key, ISSUE))
        assert issue.parent_id == stage_span_id(*key, CLAIM)
        where = {"partition": 0, "offset": offset, "events": 2}
        who = {"coupon_id": coupon.coupon_id, "user_id": user}
        assert issue.attributes == {**who, **where, "result": "ISSUED", "repeated": False}
        assert issue.start_ns == 1_000_000_000, "when its record was written, by the broker"
        assert (mark.name, mark.parent_id) == ("mark", issue.span_id)
        assert issue.end_ns == mark.start_ns < mark.end_ns


def test_the_spans_of_api_and_consumer_are_one_tree(
    environment: dict[str, str],
    bearer: Bearer,
    handler: BatchHandler,
    exported: Exported,
    collector: Collector,
) -> None:
    settings = {"COUPON_TRACE_ENDPOINT": collector.url, "COUPON_TRACE_SAMPLE_RATIO": "1"}
    with running({**environment, **settings}, bearer) as server:
        coupon_id = server.make_coupon()
        users = range(1, 6)
        assert {server.claim(coupon_id, user)[0] for user in users} == {202}
    handler.handle(request_records(coupon_id, users))
    exported()
    for user in users:
        spans = collector.of(request_id_text(coupon_id, user))
        below = {span.span_id: span.name for span in spans.values()}
        parents = {name: below.get(span.parent_id) for name, span in spans.items()}
        assert parents == {CLAIM: None, "gate": CLAIM, "ledger": CLAIM, ISSUE: CLAIM, "mark": ISSUE}
        assert spans[CLAIM].parent_id == 0
        assert (spans[CLAIM].service, spans[ISSUE].service) == ("coupon-api", "coupon-consumer")


def test_a_rejected_request_says_why(
    handler: BatchHandler, coupon: Coupon, exported: Exported
) -> None:
    handler.handle(request_records(coupon.coupon_id, range(1, PLACES + 2)))
    [rejected] = [each for each in exported() if each.attributes.get("result") == "REJECTED"]
    assert rejected.attributes["user_id"] == PLACES + 1
    assert rejected.attributes["reason"] == "sold_out"


def test_a_repeated_batch_adds_spans_and_keeps_the_first(
    handler: BatchHandler, coupon: Coupon, exported: Exported
) -> None:
    batch = request_records(coupon.coupon_id, [1])
    handler.handle(batch)
    handler.handle(batch)
    first, second = [each for each in exported() if each.name == ISSUE]
    assert [first.attributes["repeated"], second.attributes["repeated"]] == [False, True]
    assert first.span_id != second.span_id
    assert first.parent_id == second.parent_id


def test_a_dead_letter_is_a_failed_span(
    handler: BatchHandler, letters: KeptLetters, exported: Exported
) -> None:
    handler.handle(request_records(NOT_THERE, [1]))
    assert len(letters.letters) == 1
    [span] = exported()
    assert (span.name, span.attributes["result"], span.failed) == (ISSUE, "dead_letter", True)


def test_only_sampled_requests_have_spans(
    handler: BatchHandler, coupon: Coupon, exported: Exported, tracer: Tracer
) -> None:
    tracer._bound = 0
    handler.handle(request_records(coupon.coupon_id, [1]))
    assert exported() == []
