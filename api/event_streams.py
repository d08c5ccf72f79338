"""Event streams (Server-Sent Events): one stream for all requests of a user.

What is sent is always what the ledger has. A notification that a request is final only makes the
stream read again; so does every heartbeat, which finds new requests, and what a lost notification
would have said. A stream is a task of the event loop, and takes a thread only while it reads.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import orjson

from api.long_polls import LongPollHub
from api.metrics import API_STREAMS
from api.problems import Problem, ProblemType, retry_after
from api.schemas import view_request
from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import ROW_ERRORS, LedgerPool, pooled
from coupons.ledger.requests import find_requests, find_requests_of_user
from coupons.model import IssueRequest

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 300.0
"""Then the client connects again, with a token that is valid then."""
MOST_COUPONS = 100
"""Requests for the coupons that started last are sent."""

MOST_OF_A_USER = 5
READING_THREADS = 4
DOWN_SECONDS = 1.0

_HEARTBEAT = b": heartbeat\n\n"


class EventStreams:
    """At most `capacity` streams of one event loop, and MOST_OF_A_USER of one user.

    They have threads of their own for their reads, so that a ledger that does not answer holds up
    nobody else; for a moment after one that failed, no other read is tried.
    """

    def __init__(self, hub: LongPollHub, pool: LedgerPool, capacity: int) -> None:
        self._hub = hub
        self._pool = pool
        self._capacity = capacity
        self._open: dict[int, list[_Open]] = {}
        self._count = 0
        self._down_until = 0.0
        self._threads = ThreadPoolExecutor(READING_THREADS, "event-streams")

    async def begin(self, user_id: int, seconds: float) -> AsyncGenerator[bytes, None]:
        """A stream of at most so many seconds, whose first event is read already.

        A user's oldest stream ends when they open one too many. Raises LedgerUnavailable, and
        Problem when too many are open.
        """
        if self._count >= self._capacity or self._hub.is_closed:
            raise Problem(
                ProblemType.OVERLOADED,
                "Too many event streams are open. Try again, or read each request with `wait`.",
            )
        stream = self._stream(user_id, min(seconds, LONGEST_SECONDS))
        await anext(stream)
        return stream

    async def _stream(self, user_id: int, seconds: float) -> AsyncGenerator[bytes, None]:
        """The chunks; the first is empty, and comes when the first state is read."""
        ends_at = monotonic() + seconds
        sent: dict[int, IssueRequest] = {}
        with self._hub.following(user_id) as changed, self._counted(user_id, changed) as own:
            found = await self._read(user_id)
            yield b""
            yield f"retry: {retry_after()}000\n\n".encode()
            while True:
                news = [each for each in found if sent.get(each.coupon_id) != each]
                sent = {each.coupon_id: each for each in found}
                yield b"".join(map(_event, news)) or _HEARTBEAT
                left = ends_at - monotonic()
                if left <= 0:
                    return
                await _wait(changed, min(HEARTBEAT_SECONDS, left))
                if own.is_replaced or self._hub.is_closed:
                    return
                # Cleared before it is read, so that no notification is missed.
                changed.clear()
                waiting = [each for each in found if not each.is_final]
                try:
                    found = await self._read(user_id, waiting)
                except LedgerUnavailable as error:
                    log.warning("%s; an event stream ends", error)
                    return

    @contextmanager
    def _counted(self, user_id: int, changed: asyncio.Event) -> Iterator["_Open"]:
        own = _Open(changed)
        streams = self._open.setdefault(user_id, [])
        if len(streams) >= MOST_OF_A_USER:
            streams[0].replace()
            del streams[0]
        streams.append(own)
        self._count += 1
        API_STREAMS.inc()
        try:
            yield own
        finally:
            API_STREAMS.dec()
            self._count -= 1
            if own in streams:
                streams.remove(own)
                if not streams:
                    del self._open[user_id]

    async def _read(self, user_id: int, waiting: Sequence[IssueRequest] = ()) -> list[IssueRequest]:
        """The requests of a user, and those of `waiting` whose coupon was archived since.

        Raises LedgerUnavailable, for a row that cannot be read as well.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read_now, user_id, waiting)

    def _read_now(self, user_id: int, waiting: Sequence[IssueRequest]) -> list[IssueRequest]:
        if monotonic() < self._down_until:
            raise LedgerUnavailable("Postgres did not answer a moment ago")
        try:
            with pooled(self._pool) as connection:
                found = find_requests_of_user(connection, user_id, MOST_COUPONS)
                listed = {request[:2] for request in found}
                gone = [request[:2] for request in waiting if request[:2] not in listed]
                return [*found, *(find_requests(connection, gone) if gone else [])]
        except ROW_ERRORS as error:
            raise LedgerUnavailable(f"a request of user {user_id} cannot be read") from error
        except LedgerUnavailable:
            self._down_until = monotonic() + DOWN_SECONDS
            raise


class _Open:
    """A stream that is open. is_replaced: its user has opened one too many since."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed
        self.is_replaced = False

    def replace(self) -> None:
        """End it."""
        self.is_replaced = True
        self._changed.set()


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return


def _event(request: IssueRequest) -> bytes:
    return b"event: request\ndata: " + orjson.dumps(view_request(request)) + b"\n\n"
