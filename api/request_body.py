"""The body of a request, read when its view asks for it, after the caller is authenticated.

A client that announces a body and does not send it costs nothing until then. After that there is a
deadline, and a limit to how many threads wait for bodies at once. A view either gets the complete
body, as WSGI has it, or takes a large one piece by piece (`pieces_of`), with limits of its own.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import BoundedSemaphore
from time import monotonic
from typing import NamedTuple

from flask import Request

from api.environ import Environ
from api.problems import Problem, ProblemType

PIECE_BYTES = 65_536
"""At least so many bytes a large body has in each piece but the last."""


class BodyLimits(NamedTuple):
    """bytes: of the largest body. seconds: time for a body to arrive. at_once: how many threads
    may wait for a body at the same time."""

    bytes: int
    seconds: float
    at_once: int


NO_UPLOADS = BodyLimits(0, 0, 0)


class BodyReader:
    """Reads the bodies of one worker's requests, for views that run in threads.

    uploads: the limits of bodies that are taken piece by piece; each piece has to arrive within
    the `seconds` of other bodies.
    """

    def __init__(self, limits: BodyLimits, uploads: BodyLimits = NO_UPLOADS) -> None:
        self.limits = limits
        self.uploads = uploads
        self._slots = BoundedSemaphore(limits.at_once)
        self._upload_slots = BoundedSemaphore(uploads.at_once)

    def offer(
        self, environ: Environ, chunks: AsyncIterable[bytes], loop: asyncio.AbstractEventLoop
    ) -> None:
        """Let the view read the body of this request from its environment.

        chunks: the body as the server receives it, in the event loop `loop`.
        """
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", None) is not None
        # The same length may be given twice; the server has refused lengths that differ.
        announced = environ.get("CONTENT_LENGTH", "0").partition(",")[0]
        if chunked:
            environ.pop("CONTENT_LENGTH", None)
        elif announced == "0":
            return
        else:
            environ["CONTENT_LENGTH"] = announced
        environ["wsgi.input"] = _Body(self, chunks, loop, None if chunked else int(announced))
        environ["wsgi.input_terminated"] = True

    def read(
        self,
        chunks: AsyncIterable[bytes],
        loop: asyncio.AbstractEventLoop,
        announced: int | None,
    ) -> bytes:
        """The complete body. Raises Problem when not all of it arrives."""
        with _taken(self._slots):
            arriving = _Arriving(chunks, announced, self.limits.bytes)
            return _wait(arriving, loop, None, self.limits.seconds)

    def pieces(
        self,
        chunks: AsyncIterable[bytes],
        loop: asyncio.AbstractEventLoop,
        announced: int | None,
    ) -> Iterator[bytes]:
        """The body in pieces. Raises Problem when not all of it arrives."""
        with _taken(self._upload_slots):
            arriving = _Arriving(chunks, announced, self.uploads.bytes)
            until = monotonic() + self.uploads.seconds
            while True:
                seconds = min(self.limits.seconds, max(0.0, until - monotonic()))
                piece = _wait(arriving, loop, PIECE_BYTES, seconds)
                if not piece:
                    return
                yield piece


def pieces_of(request: Request) -> Iterator[bytes]:
    """The body of a request, piece by piece, for a view that takes large ones. Raises Problem."""
    body = request.environ["wsgi.input"]
    return body.pieces() if isinstance(body, _Body) else iter(())


@contextmanager
def _taken(slots: BoundedSemaphore) -> Iterator[None]:
    if not slots.acquire(blocking=False):
        raise Problem(
            ProblemType.OVERLOADED,
            "Too many requests are waiting for their bodies: nothing was done. Try again.",
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


def _wait(
    arriving: _Arriving, loop: asyncio.AbstractEventLoop, enough: int | None, seconds: float
) -> bytes:
    body = asyncio.run_coroutine_threadsafe(arriving.next(enough, seconds), loop).result()
    if isinstance(body, Problem):
        # A new Problem: a frame that holds the error it raised is freed only by the garbage
        # collector, and would keep the client's connection open until then.
        raise Problem(body.kind, str(body), body.headers)
    return body


class _Body:
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
        self._content: BytesIO | None = None

    def read(self, size: int = -1) -> bytes:
        if self._content is None:
            self._content = BytesIO(self._reader.read(self._chunks, self._loop, self._announced))
        return self._content.read(size)

    def pieces(self) -> Iterator[bytes]:
        return self._reader.pieces(self._chunks, self._loop, self._announced)
