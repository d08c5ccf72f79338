"""The body of a request, received when its view asks for it, after the caller is authenticated.

A client that announces a body and does not send it costs nothing until then. After that there is a
deadline. No thread waits for a body: a view in a thread that asks for one is left, and called again
when the body is there or has failed. So a view changes nothing before it asks. A view in the event
loop awaits it (`await_body`). Only a view that takes a large body piece by piece (`pieces_of`)
keeps its thread, with limits of its own.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import BoundedSemaphore
from time import monotonic
from typing import Any, NamedTuple, cast

from flask import Request, request

from api.environ import Environ
from api.problems import Problem, ProblemType

PIECE_BYTES = 65_536
"""At least so many bytes a large body has in each piece but the last."""


class BodyLimits(NamedTuple):
    """bytes: of the largest body. seconds: time for a body to arrive."""

    bytes: int
    seconds: float


NO_UPLOADS = BodyLimits(0, 0)


class BodyAwaited(Exception):
    """A view asked for a body that has not been received: see `Body.receive`."""


class BodyReader:
    """Reads the bodies of one worker's requests, for views in threads and in the event loop.

    uploads: the limits of bodies that are taken piece by piece; each piece has to arrive within
    the `seconds` of other bodies. uploads_at_once: how many are taken so at the same time.
    """

    def __init__(
        self, limits: BodyLimits, uploads: BodyLimits = NO_UPLOADS, uploads_at_once: int = 0
    ) -> None:
        self._limits = limits
        self._uploads = uploads
        self._upload_slots = BoundedSemaphore(uploads_at_once)

    def offer(
        self, environ: Environ, chunks: AsyncIterable[bytes], loop: asyncio.AbstractEventLoop
    ) -> "Body | None":
        """The body of this request, for the view to read from its environment; None: it has none.

        chunks: the body as the server receives it, in the event loop `loop`.
        """
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", None) is not None
        # The same length may be given twice; the server has refused lengths that differ.
        announced = environ.get("CONTENT_LENGTH", "0").partition(",")[0]
        if chunked:
            environ.pop("CONTENT_LENGTH", None)
        elif announced == "0":
            return None
        else:
            environ["CONTENT_LENGTH"] = announced
        body = Body(self, chunks, loop, None if chunked else int(announced))
        environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        return body

    async def receive(self, chunks: AsyncIterable[bytes], announced: int | None) -> bytes | Problem:
        """The complete body, or what is wrong with it. In the event loop."""
        arriving = _Arriving(chunks, announced, self._limits.bytes)
        return await arriving.next(None, self._limits.seconds)

    def pieces(
        self,
        chunks: AsyncIterable[bytes],
        loop: asyncio.AbstractEventLoop,
        announced: int | None,
    ) -> Iterator[bytes]:
        """The body in pieces. Raises Problem when not all of it arrives."""
        with _taken(self._upload_slots):
            arriving = _Arriving(chunks, announced, self._uploads.bytes)
            until = monotonic() + self._uploads.seconds
            while True:
                seconds = min(self._limits.seconds, max(0.0, until - monotonic()))
                coming = arriving.next(PIECE_BYTES, seconds)
                piece = _content(asyncio.run_coroutine_threadsafe(coming, loop).result())
                if not piece:
                    return
                yield piece


def pieces_of(request: Request) -> Iterator[bytes]:
    """The body of a request, piece by piece, for a view that takes large ones. Raises Problem."""
    body = request.environ["wsgi.input"]
    return body.pieces() if isinstance(body, Body) else iter(())


def current_request() -> Request:
    """The request that Flask calls the view for, to keep it beyond the view."""
    return cast(Any, request)._get_current_object()  # type: ignore[no-any-return]


async def await_body(request: Request) -> None:
    """Wait for the body of a request whose view runs in the event loop; it can be read then."""
    body = request.environ.get("wsgi.input")
    if isinstance(body, Body):
        await body.receive()


@contextmanager
def _taken(slots: BoundedSemaphore) -> Iterator[None]:
    if not slots.acquire(blocking=False):
        raise Problem(
            ProblemType.OVERLOADED,
            "Too many uploads are running: nothing was done. Try again.",
        )
    try:
        yield
    finally:
        slots.release()


class _Arriving:
    """One body as it arrives. Its methods run in the event loop."""

    def __init__(self, chunks: AsyncIterable[bytes], announced: int | None, most: int) -> None:
        self._chunks = chunks
        self._iterator: AsyncIterator[bytes] | None = None
        self._announced = announced
        self._most = most
        self._received = 0
        self._empty = 0
        self._ended = False

    async def next(self, enough: int | None, seconds: float) -> bytes | Problem:
        """At least `enough` bytes, or all that is left (also for None), or what is wrong with it.

        Nothing is raised here: an error would keep its task, and with it the connection, until the
        garbage collector runs.
        """
        piece = bytearray()
        if (self._announced or 0) > self._most:
            return self._too_large()
        try:
            async with asyncio.timeout(seconds):
                while not self._ended and (enough is None or len(piece) < enough):
                    await self._receive(piece)
                    if self._received > self._most:
                        return self._too_large()
        except TimeoutError:
            return Problem(
                ProblemType.BODY_TIMEOUT,
                "The body did not arrive in time: nothing was done.",
                {"connection": "close"},
            )
        return self._cut_off() or bytes(piece)

    async def _receive(self, piece: bytearray) -> None:
        if self._iterator is None:
            self._iterator = aiter(self._chunks)
        try:
            # Not with a default: the server's awaitables work in `await` only.
            chunk = await anext(self._iterator)
        except StopAsyncIteration:
            self._ended = True
            return
        piece += chunk
        self._received += len(chunk)
        self._empty += not chunk

    def _too_large(self) -> Problem:
        return Problem(ProblemType.BODY_TOO_LARGE, f"A body has at most {self._most} bytes here.")

    def _cut_off(self) -> Problem | None:
        # The server ends every body with one empty chunk; a body that was cut off has two.
        if not self._ended or (self._empty <= 1 and self._announced in (None, self._received)):
            return None
        return Problem(
            ProblemType.MALFORMED_REQUEST,
            f"The body ended after {self._received} bytes and is incomplete: nothing was done.",
        )


def _content(body: bytes | Problem) -> bytes:
    if isinstance(body, Problem):
        # A new Problem: a frame that holds the error it raised is freed only by the garbage
        # collector, and would keep the client's connection open until then.
        raise Problem(body.kind, str(body), body.headers)
    return body


class Body:
    """What Flask reads from, as WSGI has it."""

    def __init__(
        self,
        reader: BodyReader,
        chunks: AsyncIterable[bytes],
        loop: asyncio.AbstractEventLoop,
        announced: int | None,
    ) -> None:
        self._reader = reader
        self._chunks = chunks
        self._loop = loop
        self._announced = announced
        self._received: bytes | Problem | None = None
        self._content: BytesIO | None = None

    async def receive(self) -> None:
        """Wait, in the event loop, until the body is there or has failed; it can be read then."""
        self._received = await self._reader.receive(self._chunks, self._announced)

    def read(self, size: int = -1) -> bytes:
        """Raises BodyAwaited when it was not received, and Problem when it failed."""
        if self._received is None:
            raise BodyAwaited
        if self._content is None:
            self._content = BytesIO(_content(self._received))
        return self._content.read(size)

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces, for a view that takes a large one. Raises Problem."""
        return self._reader.pieces(self._chunks, self._loop, self._announced)
