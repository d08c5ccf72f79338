"""An OpenTelemetry collector of the tests' own: takes spans by OTLP/HTTP and decodes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import NamedTuple
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support import http_servers

SILENT_SECONDS = 30


class Received(NamedTuple):
    """A span as the collector got it. trace: as the UUID that its bytes are."""

    service: str
    trace: UUID
    name: str
    span_id: int
    parent_id: int
    start_ns: int
    end_ns: int
    attributes: dict[str, str | int | bool]
    kind: int
    failed: bool


class Collector:
    """status: of its answers. authorization: what the last caller sent. silent: never answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.status = 200
        self.silent = False
        self.calls = 0
        self.authorization: str | None = None
        self.spans: list[Received] = []
        self.ending = Event()

    def of(self, request_id: str) -> dict[str, Received]:
        """The spans of a request by name; fails where two have the same name."""
        found = [span for span in self.spans if span.trace == UUID(request_id)]
        by_name = {span.name: span for span in found}
        assert len(by_name) == len(found), found
        return by_name

    def take(self, body: bytes) -> None:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _values(resource_spans.resource.attributes)["service.name"]
            for scope in resource_spans.scope_spans:
                self.spans += [_received(str(service), span) for span in scope.spans]


def _received(service: str, span: trace_pb2.Span) -> Received:
    return Received(
        service,
        UUID(bytes=span.trace_id),
        span.name,
        int.from_bytes(span.span_id, "big"),
        int.from_bytes(span.parent_span_id, "big"),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _values(span.attributes),
        span.kind,
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
    )


def _values(attributes: "list[KeyValue]") -> dict[str, str | int | bool]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> str | int | bool:
    found = getattr(value, str(value.WhichOneof("value")))
    assert isinstance(found, str | int)
    return found


@contextmanager
def serving() -> Iterator[Collector]:
    """A collector that serves."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            served.calls += 1
            served.authorization = self.headers["Authorization"]
            if served.silent:
                served.ending.wait(SILENT_SECONDS)
            known = self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            status = served.status if known else 404
            if status == 200:
                served.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http_servers.serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        served = Collector(server.server_port)
        try:
            yield served
        finally:
            served.ending.set()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with serving() as served:
        yield served
