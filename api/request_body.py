"""The body of a request, read when its view asks for it: after the view knows who calls.

A client that announces a body and does not send it costs nothing until then. Afterwards it has a
deadline, and only so many threads wait for bodies at once.
"""

import asyncio
from collections.abc import AsyncIterable
from io import BytesIO
from threading import BoundedSemaphore
from typing import NamedTuple

from api.environ import Environ
from api.problems import Problem, ProblemType


class BodyLimits(NamedTuple):
    """bytes: of the largest body. seconds: within which it has to come. at_once: how many bodies
    are waited for at the same time."""

    bytes: int
    seconds: float
    at_once: int


class BodyReader:
    """Reads the bodies of one worker's requests, for views that run in threads."""

    def __init__(self, limits: BodyLimits) -> None:
        self.limits = limits
        self._places = BoundedSemaphore(limits.at_once)

    def offer(
        self, environ: Environ, chunks: AsyncIterable[bytes], loop: asyncio.AbstractEventLoop
    ) -> None:
        """Let the view read the body of this request out of its environment.

        chunks: the body as the server hands it out, in the event loop `loop`.
        """
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", None) is not None
        # The same length may be there twice; the server has refused lengths that differ.
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
        """The whole body. Raises Problem when it does not come, or not all of it."""
        if not self._places.acquire(blocking=False):
            raise Problem(
                ProblemType.OVERLOADED,
                "Too many bodies are being waited for: nothing was done. Try again.",
            )
        try:
            collecting = self._collect(chunks, announced)
            body = asyncio.run_coroutine_threadsafe(collecting, loop).result()
        finally:
            self._places.release()
        if isinstance(body, Problem):
            # Another one: a frame that keeps the error that it raised is freed by the garbage
            # collector alone, and would keep the client's connection until it comes.
            raise Problem(body.kind, str(body), body.headers)
        return body

    async def _collect(
        self, chunks: AsyncIterable[bytes], announced: int | None
    ) -> bytes | Problem:
        """The body, or what is wrong with it.

        Nothing is raised here: an error would keep the task that it ended, and with it the client's
        connection, until the garbage collector comes.
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
                f"The body did not come within {self.limits.seconds:g} s: nothing was done.",
                {"Connection": "close"},
            )
        # The server ends every body with one empty chunk; one that was cut off has another before.
        if empty > 1 or (announced is not None and len(body) != announced):
            return Problem(
                ProblemType.MALFORMED_REQUEST,
                f"The body ended after {len(body)} bytes, before it was whole: nothing was done.",
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
        self._whole: BytesIO | None = None

    def read(self, size: int = -1) -> bytes:
        if self._whole is None:
            self._whole = BytesIO(self._reader.read(self._chunks, self._loop, self._announced))
        return self._whole.read(size)
