"""Exports spans with the OpenTelemetry SDK, by OTLP over HTTP."""

import logging
import os
import socket
from collections.abc import Sequence
from importlib import metadata
from time import monotonic

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from coupons.ids import request_id
from coupons.links.web import WebService
from coupons.process.tracing.spans import CLAIM, ISSUE, Span

QUIET_SECONDS = 60.0

_PATH = "/v1/traces"
_KINDS = {CLAIM: SpanKind.SERVER, ISSUE: SpanKind.CONSUMER}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSET, _ERROR = Status(StatusCode.UNSET), Status(StatusCode.ERROR)


class OtlpExporter:
    """Sends spans to the collector whose root is `url`. service: the process's name in traces."""

    def __init__(self, url: str, service: str) -> None:
        collector = WebService(url)
        self._quiet = _OnceAMinute()
        logging.getLogger(trace_exporter.__name__).addFilter(self._quiet)
        self._exporter = trace_exporter.OTLPSpanExporter(
            collector.url + _PATH,
            certificate_file=collector.ca_file,
            session=collector.session,
        )
        self._resource = Resource.create(
            {
                "service.name": service,
                "service.version": metadata.version("coupon-cdc"),
                "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            }
        )

    def export(self, spans: Sequence[Span]) -> bool:
        """Whether the collector has taken them; tried again for up to ten seconds."""
        readable = [self._readable(span) for span in spans]
        return self._exporter.export(readable) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """End an export that waits to try again."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
        logging.getLogger(trace_exporter.__name__).removeFilter(self._quiet)

    def _readable(self, span: Span) -> ReadableSpan:
        # The SDK's tracer makes these too; it takes no span ids, and five times as long.
        trace_id = request_id(span.coupon_id, span.user_id).int
        parent = None
        if span.parent_id is not None:
            parent = SpanContext(trace_id, span.parent_id, is_remote=False, trace_flags=_SAMPLED)
        return ReadableSpan(
            span.name,
            SpanContext(trace_id, span.span_id, is_remote=False, trace_flags=_SAMPLED),
            parent,
            self._resource,
            {"coupon_id": span.coupon_id, "user_id": span.user_id, **span.attributes},
            kind=_KINDS.get(span.name, SpanKind.INTERNAL),
            status=_ERROR if span.failed else _UNSET,
            start_time=min(span.start_ns, span.end_ns),
            end_time=span.end_ns,
        )


class _OnceAMinute(logging.Filter):
    """Lets one line through in QUIET_SECONDS: a collector that is down would fill the log."""

    def __init__(self) -> None:
        super().__init__()
        self._next_at = 0.0

    def filter(self, _record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if monotonic() < self._next_at:
            return False
        self._next_at = monotonic() + QUIET_SECONDS
        return True
