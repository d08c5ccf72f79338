"""Tracing: spans of sampled requests, sent to a collector by OTLP. Off by default.

spans.py has what a span is and the rules by which all processes agree, tracer.py the queue between
a process and its exporter, otlp.py the exporter. Only otlp.py imports OpenTelemetry, and only when
tracing is on.
"""

from prometheus_client import Counter

from coupons.process.settings import ProcessSettings
from coupons.process.tracing.spans import (
    CLAIM,
    ISSUE,
    Attributes,
    Span,
    new_span_id,
    stage_span_id,
)
from coupons.process.tracing.tracer import Tracer

__all__ = [
    "CLAIM",
    "ISSUE",
    "Attributes",
    "Span",
    "Tracer",
    "new_span_id",
    "stage_span_id",
    "start_tracing",
]


def start_tracing(settings: ProcessSettings, service: str, spans: Counter) -> Tracer | None:
    """The tracer of this process; None when tracing is off.

    service: the process's name in traces. spans: counts them by result. It starts a thread: call
    it after the process has forked.
    """
    if settings.trace_endpoint is None or not settings.trace_sample_ratio:
        return None
    from coupons.process.tracing.otlp import OtlpExporter

    exporter = OtlpExporter(settings.trace_endpoint.get_secret_value(), service)
    return Tracer(settings.trace_sample_ratio, exporter, spans)
