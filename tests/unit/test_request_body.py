"""A body that did not come lets go of its connection at once."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from threading import Thread
from weakref import ref

import pytest

from api.problems import Problem
from api.request_body import BodyAwaited, BodyLimits, BodyReader


class Silence:
    """A body of which nothing comes; the server's object holds the connection."""

    def __aiter__(self) -> "Silence":
        return self

    async def __anext__(self) -> bytes:
        await asyncio.Event().wait()
        return b""


GiveUp = Callable[[Silence, asyncio.AbstractEventLoop, BodyReader], None]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    running = Thread(target=loop.run_forever)
    running.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    running.join()
    loop.close()


def received(chunks: Silence, loop: asyncio.AbstractEventLoop, bodies: BodyReader) -> None:
    body = bodies.offer({"CONTENT_LENGTH": "5"}, chunks, loop)
    assert body is not None
    with pytest.raises(BodyAwaited):
        body.read()
    asyncio.run_coroutine_threadsafe(body.receive(), loop).result()
    with pytest.raises(Problem):
        body.read()


def taken_in_pieces(chunks: Silence, loop: asyncio.AbstractEventLoop, bodies: BodyReader) -> None:
    body = bodies.offer({"CONTENT_LENGTH": "5"}, chunks, loop)
    assert body is not None
    with pytest.raises(Problem):
        next(body.pieces())


@pytest.mark.parametrize(
    ("give_up", "uploads"),
    [(received, 0), (taken_in_pieces, 1), (taken_in_pieces, 0)],
    ids=["late", "late in pieces", "too many"],
)
def test_nothing_holds_the_connection_of_a_body_that_was_given_up(
    loop: asyncio.AbstractEventLoop, give_up: GiveUp, uploads: int
) -> None:
    chunks = Silence()
    held = ref(chunks)
    gc.collect()
    gc.disable()
    try:
        give_up(chunks, loop, BodyReader(BodyLimits(100, 0.01), BodyLimits(100, 1), uploads))
        del chunks
        # The loop has let go of it once it has run something else.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        assert held() is None
    finally:
        gc.enable()
