"""A body that did not come lets go of its connection at once."""

import asyncio
import gc
from collections.abc import Iterator
from threading import Thread
from weakref import ref

import pytest

from api.problems import Problem
from api.request_body import BodyLimits, BodyReader


class Silence:
    """A body of which nothing comes; the server's object holds the connection."""

    def __aiter__(self) -> "Silence":
        return self

    async def __anext__(self) -> bytes:
        await asyncio.Event().wait()
        return b""


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    running = Thread(target=loop.run_forever)
    running.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    running.join()
    loop.close()


@pytest.mark.parametrize(("seconds", "at_once"), [(0.01, 1), (10, 0)], ids=["late", "too many"])
def test_nothing_holds_the_connection_of_a_body_that_was_given_up(
    loop: asyncio.AbstractEventLoop, seconds: float, at_once: int
) -> None:
    body = Silence()
    held = ref(body)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(Problem):
            BodyReader(BodyLimits(100, seconds, at_once)).read(body, loop, 5)
        del body
        # The loop has let go of it once it has run something else.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        assert held() is None
    finally:
        gc.enable()
