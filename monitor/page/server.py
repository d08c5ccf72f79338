"""The HTTP server of the monitor: its probes, and the page.

Whatever connects to it, its memory and threads are bounded. A connection takes a thread only once
its request has arrived; one that sends nothing, or sends too slowly, is closed.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Event, Thread
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from waitress.channel import HTTPChannel
from waitress.server import create_server

from coupons.errors import ConfigurationError
from coupons.process.probes import Page

log = logging.getLogger(__name__)

THREADS = 8
MOST_CONNECTIONS = 100
LARGEST_HEAD_BYTES = 16_384
LARGEST_BODY_BYTES = 65_536
SECONDS_TO_ASK = 5.0
IDLE_SECONDS = 20
LOOK_SECONDS = 0.3
"""So often it looks for connections to close."""


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection. A byte now and then does not keep it open."""

    _began_s = 0.0

    def received(self, data: bytes) -> bool:
        """Take a part of a request."""
        now_s = time.monotonic()
        if self.request is None:
            self._began_s = now_s
        elif now_s - self._began_s > SECONDS_TO_ASK:
            self.will_close = True
            return False
        return bool(super().received(data))


class PageServer:
    """Serves until `shutdown()`. Raises ConfigurationError when the port is taken.

    probes: by path, called for GET without a sign-in. page: everything else.
    """

    def __init__(
        self, host: str, port: int, probes: Mapping[str, Callable[[], Page]], page: WSGIApplication
    ) -> None:
        self._connections: dict[int, Any] = {}
        self._server = create_server(
            _with_probes(probes, page),
            map=self._connections,
            sockets=[_listen(host, port)],
            threads=THREADS,
            connection_limit=MOST_CONNECTIONS,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=int(SECONDS_TO_ASK),
            max_request_header_size=LARGEST_HEAD_BYTES,
            max_request_body_size=LARGEST_BODY_BYTES,
            ident=None,
        )
        self._server.channel_class = _Channel
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="page", daemon=True)
        self._thread.start()

    def shutdown(self) -> None:
        """Stop listening, and close every connection. Safe to repeat."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._server.pull_trigger()
        self._thread.join()
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.asyncore.dispatcher.close(self._server)
        self._server.task_dispatcher.shutdown()
        # Last: a thread that has answered writes to it, to wake the loop.
        self._server.trigger.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._server.asyncore.loop(LOOK_SECONDS, map=self._connections, count=1)


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, at = found[0]
        return socket.create_server(at[:2], family=family)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} on {host} cannot be used: {error.strerror}"
        ) from error


def _with_probes(
    probes: Mapping[str, Callable[[], Page]], page: WSGIApplication
) -> WSGIApplication:
    def serve(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        probe = probes.get(environ["PATH_INFO"])
        if probe is None:
            return page(environ, start)
        found = _answer(probe, environ)
        headers = [
            ("Content-Type", found.content_type),
            ("Content-Length", str(len(found.body))),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start(f"{found.status} ", headers)
        return [found.body]

    return serve


def _answer(probe: Callable[[], Page], environ: dict[str, Any]) -> Page:
    if environ["REQUEST_METHOD"] != "GET":
        return Page(405, "text/plain", b"try GET\n")
    try:
        return probe()
    except Exception:
        log.exception("%s failed", environ["PATH_INFO"])
        return Page(500, "text/plain", b"failed: see the log\n")
