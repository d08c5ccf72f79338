"""The body of a request, read when its view asks for it, after the caller is authenticated.

A client that announces a body and does not send it costs nothing until then. After that there is a
deadline, and a limit to how many threads wait for bodies at once.
"""

import asyncio
from collections.abc import AsyncIterable
from io import BytesIO
from threading import BoundedSemaphore
from typing import NamedTuple

from api.environ import Environ
from api.problems import Problem, ProblemType


class BodyLimits(NamedTuple):
    """bytes: of the largest body. seconds: time for a body to arrive. at_once: how many threads
    may wait for a body at the same time."""

    bytes: int
    seconds: float
    at_once: int


class BodyReader:
    """Reads the bodies of one worker's requests, for views that run in threads."""

    def __init__(self, limits: BodyLimits) -> None:
        self.limits = limits
        self._slots = BoundedSemaphore(limits.at_once)

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
        if not self._slots.acquire(blocking=False):
            raise Problem(
                ProblemType.OVERLOADED,
                "Too many requests are waiting for their bodies: nothing was done. Try again.",
            )
        try:
            collecting = self._collect(chunks, announced)
            body = asyncio.run_coroutine_threadsafe(collecting, loop).result()
        finally:
            self._slots.release()
        if isinstance(body, Problem):
            # A new Problem: a frame that holds the error it raised is freed only by the garbage
            # collector, and would keep the client's connection open until then.
            raise Problem(body.kind, str(body), body.headers)
        return body

    async def _collect(
        self, chunks: AsyncIterable[bytes], announced: int | None
    ) -> bytes | Problem:
        """The body, or what is wrong with it.

        Nothing is raised here: an error would keep its task, and with it the connection, until the
        garbage collector runs.
        """
        body = bytearray()
        empty = 0
        try:
            async with asyncio.timeout(self.limits.seconds):
                async for chunk in chunks:
                    body += chunk
                    empty += not chunk
                    if len(body) > self.limits.bytes:
                        most = f"A body has at most {self.limits.bytes} bytes."
                        return Problem(ProblemType.BODY_TOO_LARGE, most)
        except TimeoutError:
            return Problem(
                ProblemType.BODY_TIMEOUT,
                f"The body did not arrive within {self.limits.seconds:g} s: nothing was done.",
                {"connection": "close"},
            )
        # The server ends every body with one empty chunk; a body that was cut off has two.
        if empty > 1 or (announced is not None and len(body) != announced):
            return Problem(
                ProblemType.MALFORMED_REQUEST,
                f"The body ended after {len(body)} bytes and is incomplete: nothing was done.",
            )
        return bytes(body)


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
