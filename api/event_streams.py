"""Event streams (Server-Sent Events): one stream for all requests of a user.

What is sent is always what the ledger has. A notification that a request is final only makes the
stream read again; so does every heartbeat, which finds new requests, and what a lost notification
would have said. A stream is a task of the event loop, and takes a thread only while it reads.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from time import monotonic

import orjson

from api.long_polls import LongPollHub
from api.metrics import API_STREAMS
from api.problems import Problem, ProblemType, retry_after
from api.schemas import view_request
from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.requests import find_requests_of_user
from coupons.model import IssueRequest

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 300.0
"""Then the client connects again, with a token that is valid then."""
MOST_COUPONS = 100
"""Requests for the coupons that started last are sent."""

_HEARTBEAT = b": heartbeat\n\n"


class EventStreams:
    """At most `capacity` streams of one event loop."""

    def __init__(self, hub: LongPollHub, pool: LedgerPool, capacity: int) -> None:
        self._hub = hub
        self._pool = pool
        self._capacity = capacity
        self._open = 0

    async def begin(self, user_id: int, seconds: float) -> AsyncGenerator[bytes, None]:
        """A stream of at most so many seconds, whose first event is read already.

        Raises LedgerUnavailable, and Problem when too many are open.
        """
        if self._open >= self._capacity or self._hub.is_closed:
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
        self._open += 1
        API_STREAMS.inc()
        try:
            with self._hub.following(user_id) as changed:
                found = await asyncio.to_thread(self._read, user_id)
                yield b""
                yield f"retry: {retry_after()}000\n\n".encode()
                while True:
                    news = [each for each in found if sent.get(each.coupon_id) != each]
                    sent = {each.coupon_id: each for each in found}
                    yield b"".join(map(_event, news)) or _HEARTBEAT
                    left = ends_at - monotonic()
                    if left <= 0 or self._hub.is_closed:
                        return
                    await _wait(changed, min(HEARTBEAT_SECONDS, left))
                    # Cleared before it is read, so that no notification is missed.
                    changed.clear()
                    try:
                        found = await asyncio.to_thread(self._read, user_id)
                    except LedgerUnavailable as error:
                        log.warning("%s; an event stream ends", error)
                        return
        finally:
            self._open -= 1
            API_STREAMS.dec()

    def _read(self, user_id: int) -> list[IssueRequest]:
        with pooled(self._pool) as connection:
            return find_requests_of_user(connection, user_id, MOST_COUPONS)


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return


def _event(request: IssueRequest) -> bytes:
    return b"event: request\ndata: " + orjson.dumps(view_request(request)) + b"\n\n"
