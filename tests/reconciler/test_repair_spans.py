"""What a pass repairs hangs in the trace of its request."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from coupons.gate import Gate
from coupons.ledger.connection import Connection
from coupons.process.metrics import trace_spans_counter
from coupons.process.tracing import CLAIM, ISSUE, Tracer, stage_span_id
from coupons.process.tracing.otlp import OtlpExporter
from reconciler.routine_pass import run_pass
from reconciler.tracing import MARK, ROLL_FORWARD
from tests.reconciler.conftest import Shop
from tests.support.collector import Collector


@pytest.fixture
def tracer(collector: Collector) -> Iterator[Tracer]:
    exporter = OtlpExporter(collector.url, "coupon-reconciler")
    tracer = Tracer(1, exporter, trace_spans_counter("test", CollectorRegistry()))
    yield tracer
    tracer.stop()


def test_a_repair_is_below_the_stage_that_it_follows(
    shop: Shop, gate: Gate, reconciler: Connection, tracer: Tracer, collector: Collector
) -> None:
    shop.accept(2)
    shop.issue(2, mark=False)
    shop.admit(1)
    assert len(list(run_pass(gate, reconciler, pending_after_s=0, tracer=tracer))) == 2
    tracer.stop()
    mark, rolled = sorted(collector.spans, key=lambda span: span.name)
    assert (mark.name, mark.attributes["user_id"]) == (MARK, 2)
    assert mark.parent_id == stage_span_id(shop.coupon_id, 2, ISSUE)
    assert (rolled.name, rolled.attributes["user_id"]) == (ROLL_FORWARD, 1)
    assert rolled.parent_id == stage_span_id(shop.coupon_id, 1, CLAIM)
    assert mark.start_ns <= mark.end_ns
