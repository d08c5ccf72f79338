"""Spans reach the collector as they are; a collector that fails slows and breaks nothing."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from uuid import UUID

import pytest
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from coupons.ids import MAX_COUPON_ID, MAX_USER_ID, request_id
from coupons.process.metrics import trace_spans_counter
from coupons.process.settings import ProcessSettings
from coupons.process.tracing import CLAIM, Span, Tracer, start_tracing, tracer
from coupons.process.tracing.tracer import MOST_WAITING
from coupons.waiting import eventually
from stack.ports import free_ports
from tests.support.collector import Collector

KIND_SERVER = 2
ATTRIBUTES: dict[str, str | int | bool] = {"outcome": "accepted"}
SPAN = Span(MAX_COUPON_ID, MAX_USER_ID, CLAIM, 2**64 - 1, None, 5, 9, ATTRIBUTES)
LONGEST_EMIT_SECONDS = 5.0
"""For MOST_WAITING spans and more, on a busy machine; a silent collector is given up after 10."""
BUSY_SECONDS = 5.0
"""How late a busy machine may be."""

LONG_STOP_SECONDS = 60.0
"""Enough for three exports on a busy machine."""


class Traced:
    """A tracer, and what its counter says."""

    def __init__(self, url: str) -> None:
        settings = ProcessSettings(
            database_url=SecretStr("postgresql://role:password@host:1/database"),
            redis_url=SecretStr("redis://host:1/0"),
            trace_endpoint=SecretStr(url),
            trace_sample_ratio=1,
        )
        self.registry = CollectorRegistry()
        started = start_tracing(settings, "of-a-test", trace_spans_counter("test", self.registry))
        assert started is not None
        self.tracer: Tracer = started

    def counted(self, result: str) -> float | None:
        name = "coupon_test_trace_spans_total"
        return self.registry.get_sample_value(name, {"result": result})

    def lost(self) -> float:
        return (self.counted("dropped") or 0) + (self.counted("failed") or 0)

    def emit_more_than_can_wait(self) -> int:
        """How many are too many, if none is exported meanwhile."""
        began = time.monotonic()
        for _ in range(MOST_WAITING + 1_000):
            self.tracer.emit(SPAN)
        assert time.monotonic() - began < LONGEST_EMIT_SECONDS
        return 1_000

    def seconds_to_stop(self) -> float:
        began = time.monotonic()
        self.tracer.stop()
        return time.monotonic() - began


Trace = Callable[[str], Traced]


@pytest.fixture
def trace() -> Iterator[Trace]:
    with ExitStack() as stopping:

        def start(url: str) -> Traced:
            traced = Traced(url)
            stopping.callback(traced.tracer.stop)
            return traced

        yield start


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are exported as soon as there are some, and not once a second."""
    monkeypatch.setattr(tracer, "EXPORT_EVERY_SECONDS", 0.02)


@pytest.fixture
def short_stop(monkeypatch: pytest.MonkeyPatch) -> float:
    """Longest wait for the last spans, in seconds."""
    monkeypatch.setattr(tracer, "STOP_SECONDS", 0.3)
    return 0.3


@pytest.fixture
def nowhere() -> str:
    """Where nobody listens."""
    return f"http://127.0.0.1:{free_ports(['collector'])['collector']}"


@pytest.mark.usefixtures("often")
def test_a_span_arrives_as_it_was_emitted(trace: Trace, collector: Collector) -> None:
    traced = trace(collector.url)
    traced.tracer.emit(SPAN)
    child = SPAN._replace(name="gate", span_id=1, parent_id=SPAN.span_id, failed=True)
    traced.tracer.emit(child)
    eventually(lambda: len(collector.spans) == 2, 10, "both have arrived")
    first, second = collector.spans
    assert first.trace == request_id(MAX_COUPON_ID, MAX_USER_ID)
    assert first.trace == UUID(str(first.trace)), "it reads as the request's id"
    assert (first.service, first.name, first.kind) == ("of-a-test", CLAIM, KIND_SERVER)
    assert (first.span_id, first.parent_id) == (2**64 - 1, 0)
    assert (first.start_ns, first.end_ns, first.failed) == (5, 9, False)
    about = {"coupon_id": MAX_COUPON_ID, "user_id": MAX_USER_ID, "outcome": "accepted"}
    assert first.attributes == about
    assert (second.name, second.span_id, second.parent_id) == ("gate", 1, 2**64 - 1)
    assert second.failed
    eventually(lambda: traced.counted("exported") == 2, 10, "they are counted")


def test_a_span_never_ends_before_it_starts(trace: Trace, collector: Collector) -> None:
    """Its start may be by the clock of another machine."""
    traced = trace(collector.url)
    traced.tracer.emit(SPAN._replace(start_ns=20))
    traced.tracer.stop()
    assert [(span.start_ns, span.end_ns) for span in collector.spans] == [(9, 9)]


def test_stopping_exports_what_waits(
    trace: Trace, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracer, "STOP_SECONDS", LONG_STOP_SECONDS)
    traced = trace(collector.url)
    for _ in range(1_500):
        traced.tracer.emit(SPAN)
    assert traced.seconds_to_stop() < LONG_STOP_SECONDS + 1
    assert len(collector.spans) == 1_500


@pytest.mark.usefixtures("often")
def test_the_password_is_sent_and_not_logged(
    trace: Trace, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 401
    traced = trace(collector.url.replace("//", "//me:secret%40@"))
    traced.tracer.emit(SPAN)
    eventually(lambda: traced.counted("failed") == 1, 10, "it was refused")
    assert collector.authorization == "Basic bWU6c2VjcmV0QA=="
    assert "401" in caplog.text
    assert "secret" not in caplog.text


def test_a_collector_that_is_down_costs_no_time_and_bounded_memory(
    trace: Trace, nowhere: str, short_stop: float
) -> None:
    traced = trace(nowhere)
    too_many = traced.emit_more_than_can_wait()
    assert (traced.counted("dropped") or 0) >= too_many - 512, "but what was taken to be exported"
    assert traced.seconds_to_stop() < short_stop + BUSY_SECONDS
    eventually(lambda: traced.lost() == MOST_WAITING + too_many, 10, "each one is counted")


@pytest.mark.usefixtures("often")
def test_a_collector_that_is_silent_does_not_delay_the_stop(
    trace: Trace, collector: Collector, short_stop: float
) -> None:
    collector.silent = True
    traced = trace(collector.url)
    traced.emit_more_than_can_wait()
    eventually(lambda: collector.calls == 1, 10, "it is asked")
    assert traced.seconds_to_stop() < short_stop + BUSY_SECONDS


@pytest.mark.usefixtures("often")
def test_what_a_collector_refuses_is_counted_and_logged_once_a_minute(
    trace: Trace, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 400
    traced = trace(collector.url)
    for _ in range(3):
        before = traced.counted("failed") or 0
        traced.tracer.emit(SPAN)
        eventually(partial(_is_more, traced, before), 10, "it is counted")
    lines = [each for each in caplog.records if each.name == trace_exporter.__name__]
    assert [each.levelno for each in lines] == [logging.ERROR]


def _is_more(traced: Traced, before: float) -> bool:
    return (traced.counted("failed") or 0) > before


@pytest.mark.usefixtures("often")
def test_a_collector_that_comes_back_gets_the_spans_again(
    trace: Trace, collector: Collector
) -> None:
    collector.status = 503
    traced = trace(collector.url)
    traced.tracer.emit(SPAN)
    eventually(lambda: collector.calls, 10, "it was asked")
    collector.status = 200
    eventually(lambda: traced.counted("exported") == 1, 20, "it was asked again")
    assert [span.name for span in collector.spans] == [CLAIM]
