"""Serves an application in this process as the server does: on an event loop, over RSGI."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from types import SimpleNamespace
from typing import Any

from api.rsgi import RsgiApp

Wsgi = Callable[..., list[bytes]]


@dataclass
class _Protocol:
    """What the application is given to read the body and to answer."""

    chunks: list[bytes]
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


@contextmanager
def served(app: RsgiApp) -> Iterator[Wsgi]:
    """A WSGI callable, for any test client and from any thread, that asks the application."""
    with running_loop() as loop:

        def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
            body = environ["wsgi.input"].read()
            protocol = _Protocol([body[:1000], body[1000:]])
            answering = app.__rsgi__(_scope(environ), protocol)  # type: ignore[arg-type]
            asyncio.run_coroutine_threadsafe(answering, loop).result()
            start_response(f"{protocol.status} ", protocol.headers)
            return [protocol.body]

        yield wsgi


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="event-loop")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _scope(environ: dict[str, Any]) -> SimpleNamespace:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    address = environ.get("REMOTE_ADDR", "127.0.0.1")
    return SimpleNamespace(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"].encode("latin-1").decode(errors="replace"),
        query_string=environ["QUERY_STRING"],
        http_version="1.1",
        scheme="http",
        server="127.0.0.1:80",
        client=f"[{address}]:9" if ":" in address else f"{address}:9",
        headers=headers,
    )
