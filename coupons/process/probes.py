"""A small HTTP server for operators: the health and the metrics of a process.

Whatever connects to it, its memory and threads are bounded: a silent connection takes no thread, is
closed after a timeout, and earlier when there are too many.
"""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Thread
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry

from coupons.errors import ConfigurationError
from coupons.process.metrics import exposition

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 64
PAGES_AT_ONCE = 4
LARGEST_HEAD_BYTES = 8_192
SECONDS_TO_ASK = 5.0
SECONDS_TO_READ = 5.0

HealthCheck = Callable[[], str | None]
"""What is wrong with the process, in words; None when it is healthy."""


class Page(NamedTuple):
    """The response to a path."""

    status: int
    content_type: str
    body: bytes


def json_page(status: int, body: Mapping[str, object]) -> Page:
    """A page of JSON."""
    return Page(status, "application/json", json.dumps(body).encode())


def serve_probes(
    host: str, port: int, check: HealthCheck, registry: CollectorRegistry
) -> "ProbeServer":
    """Serve until `shutdown()`: /healthz (200, or 503 with the failure) and /metrics (Prometheus).

    registry: the metrics of this process. Raises ConfigurationError when the port is taken.
    """

    pages = {"/healthz": lambda: health_page(check), "/metrics": lambda: metrics_page(registry)}
    return ProbeServer(host, port, pages)


def health_page(check: HealthCheck) -> Page:
    """200, or 503 with the failure."""
    failure = check()
    if failure is None:
        return json_page(200, {"status": "ok"})
    return json_page(503, {"status": "trouble", "detail": failure})


def metrics_page(registry: CollectorRegistry) -> Page:
    """The metrics of this process."""
    return Page(200, CONTENT_TYPE_LATEST, exposition(registry))


class ProbeServer:
    """Responds to GET of each path with its page, in a thread of its own, until `shutdown()`.

    pages: called in other threads, at most PAGES_AT_ONCE. Raises ConfigurationError when the port
    is taken.
    """

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
        self._pages = pages
        self._threads = ThreadPoolExecutor(PAGES_AT_ONCE, "probe")
        self._connections: set[asyncio.StreamWriter] = set()
        self._silent: OrderedDict[asyncio.StreamWriter, None] = OrderedDict()
        self._loop = asyncio.new_event_loop()
        listening = asyncio.start_server(self._serve, host, port, limit=LARGEST_HEAD_BYTES)
        try:
            self._server = self._loop.run_until_complete(listening)
        except OSError as error:
            self._loop.close()
            raise ConfigurationError(
                f"port {port} on {host} cannot be used: {error.strerror}"
            ) from error
        self._thread = Thread(target=self._loop.run_forever, name="probes", daemon=True)
        self._thread.start()

    def shutdown(self) -> None:
        """Stop listening, and close every connection."""
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._loop.close()

    def _stop(self) -> None:
        self._server.close()
        for writer in self._connections:
            writer.transport.abort()
        self._loop.call_soon(self._loop.stop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        self._silent[writer] = None
        if len(self._connections) > MOST_CONNECTIONS:
            self._silent.popitem(last=False)[0].transport.abort()
        try:
            async with asyncio.timeout(SECONDS_TO_ASK):
                head = await reader.readuntil(b"\r\n\r\n")
            self._silent.pop(writer, None)
            page = await self._loop.run_in_executor(self._threads, self._page, head)
            async with asyncio.timeout(SECONDS_TO_READ):
                writer.write(_as_http(page))
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # it sent no request, sent too much, or did not read the response
        finally:
            self._connections.discard(writer)
            self._silent.pop(writer, None)
            with suppress(OSError):
                writer.transport.abort()

    def _page(self, head: bytes) -> Page:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
        page = self._pages.get(path)
        if method != b"GET" or page is None:
            return Page(404, "text/plain", f"try GET {' or '.join(self._pages)}\n".encode())
        try:
            return page()
        except Exception:
            log.exception("%s failed", path)
            return Page(500, "text/plain", b"failed: see the log\n")


def _as_http(page: Page) -> bytes:
    return (
        f"HTTP/1.1 {page.status} \r\nContent-Type: {page.content_type}\r\n"
        f"Content-Length: {len(page.body)}\r\nConnection: close\r\n\r\n"
    ).encode() + page.body
