"""Long polls: tasks that wait for requests to become final.

Redis notifies them; a check every second finds what a lost notification would have said.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic

import redis
from redis.client import PubSub

from api.metrics import API_WAITERS
from api.statuses import Key, Statuses
from coupons.errors import CouponError
from coupons.gate.refusals import REDIS_ERRORS
from coupons.gate.values import SETTLED_CHANNEL, parse_settled
from coupons.model import IssueRequest

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0

Waiter = asyncio.Future[IssueRequest | None]
"""What one task waits for: the final request; None: stop and answer with the status read before."""


class LongPollHub:
    """Lets at most `capacity` tasks of one event loop wait.

    When it is full, a new waiter evicts the oldest one, which returns the status it knows. The
    waiters of clients that have gone are the oldest, and nothing else tells that they have gone.

    One listener thread runs while somebody waits, and ends when nobody does. It checks all requests
    after each subscription and every CHECK_SECONDS, because a message that is published while
    nobody listens is lost.
    """

    def __init__(self, client: redis.Redis, statuses: Statuses, capacity: int) -> None:
        self._client = client
        self._statuses = statuses
        self._capacity = capacity
        self._waiters: dict[Key, list[Waiter]] = {}
        self._by_age: OrderedDict[Waiter, Key] = OrderedDict()
        self._followers: dict[int, set[asyncio.Event]] = {}
        self._listening = False
        self._closing = Event()
        self._lock = Lock()

    async def wait(self, key: Key, seconds: float) -> IssueRequest | None:
        """The request once it is final, or as it is when the time is over; None: no such request.

        seconds: 0 for no waiting. Nobody waits when the capacity is 0 or the hub is closed. Raises
        LedgerUnavailable when the status cannot be read.
        """
        waiter = self._add_waiter(key) if seconds else None
        try:
            # Read after the waiter is registered, so that no notification is missed.
            found = await asyncio.to_thread(self._find, key)
            if waiter is None or found is None or found.is_final:
                return found
            await asyncio.wait([waiter], timeout=seconds)
            return (waiter.done() and waiter.result()) or found
        finally:
            if waiter is not None:
                self._leave(waiter)

    @contextmanager
    def following(self, user_id: int) -> Iterator[asyncio.Event]:
        """An event that is set whenever a request of the user becomes final.

        It is set when the hub closes, too. Notifications that are lost are not made up for: who
        follows has to read again from time to time. Followers do not count as waiters.
        """
        changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        with self._lock:
            self._followers.setdefault(user_id, set()).add(changed)
            self._start_listening()
        try:
            yield changed
        finally:
            with self._lock:
                followers = self._followers[user_id]
                followers.remove(changed)
                if not followers:
                    del self._followers[user_id]

    @property
    def is_closed(self) -> bool:
        """Whether the process is stopping."""
        return self._closing.is_set()

    def close(self) -> None:
        """End every wait, and let nobody wait any more."""
        self._closing.set()
        with self._lock:
            results = [(waiter, None) for waiter in self._by_age]
            followers = [each for of_user in self._followers.values() for each in of_user]
        self._wake(results)
        self._set(followers)

    def _find(self, key: Key) -> IssueRequest | None:
        return self._statuses.find([key]).get(key)

    def _add_waiter(self, key: Key) -> Waiter | None:
        if self._closing.is_set() or not self._capacity:
            return None
        waiter: Waiter = asyncio.get_running_loop().create_future()
        with self._lock:
            oldest = next(iter(self._by_age)) if len(self._by_age) >= self._capacity else None
            self._by_age[waiter] = key
            self._waiters.setdefault(key, []).append(waiter)
            self._start_listening()
        if oldest is not None:
            self._release([(oldest, None)])
        API_WAITERS.inc()
        return waiter

    def _start_listening(self) -> None:
        """Called with the lock."""
        if not self._listening:
            self._listening = True
            Thread(target=self._listen, name="settled-listener", daemon=True).start()

    def _leave(self, waiter: Waiter) -> None:
        self._remove(waiter)
        API_WAITERS.dec()

    def _remove(self, waiter: Waiter) -> None:
        with self._lock:
            key = self._by_age.pop(waiter, None)
            if key is not None:
                self._waiters[key].remove(waiter)
                if not self._waiters[key]:
                    del self._waiters[key]

    def _wake(self, results: Sequence[tuple[Waiter, IssueRequest | None]]) -> None:
        """Release waiters from any thread, all in one turn of their event loop."""
        if results:
            results[0][0].get_loop().call_soon_threadsafe(self._release, results)

    def _release(self, results: Sequence[tuple[Waiter, IssueRequest | None]]) -> None:
        for waiter, request in results:
            self._remove(waiter)
            if not waiter.done():
                waiter.set_result(request)

    def _listen(self) -> None:
        while True:
            try:
                with _subscription(self._client) as pubsub:
                    self._receive(pubsub)
                    return
            except REDIS_ERRORS as error:
                log.warning("no notifications from Redis, checking instead: %s", error)
            except Exception:
                # Whatever it was, the waiters depend on this thread.
                log.exception("the listener failed; it goes on")
            if not self._is_needed():
                return
            self._check_all()
            self._closing.wait(CHECK_SECONDS)

    def _receive(self, pubsub: PubSub) -> None:
        check_at = 0.0
        while self._is_needed():
            message = pubsub.get_message(timeout=max(0.0, check_at - monotonic()) or CHECK_SECONDS)
            if message is not None:
                self._notify(parse_settled(message["data"]))
            if monotonic() >= check_at:
                self._check_all()
                check_at = monotonic() + CHECK_SECONDS

    def _is_needed(self) -> bool:
        """Whether somebody waits. If not, the next waiter starts another listener."""
        with self._lock:
            self._listening = bool(self._by_age or self._followers)
            return self._listening

    def _check_all(self) -> None:
        with self._lock:
            keys = list(self._waiters)
        try:
            found = self._statuses.find(keys) if keys else {}
        except CouponError as error:
            log.warning("%s; the long polls go on waiting", error)
            return
        self._notify([request for request in found.values() if request.is_final])

    def _notify(self, settled: Collection[IssueRequest]) -> None:
        with self._lock:
            results = [
                (waiter, request)
                for request in settled
                for waiter in self._waiters.get((request.coupon_id, request.user_id), ())
            ]
            followers = [
                each for request in settled for each in self._followers.get(request.user_id, ())
            ]
        self._wake(results)
        self._set(followers)

    def _set(self, followers: Sequence[asyncio.Event]) -> None:
        """Set events from any thread, all in one turn of the event loop."""
        if followers:
            self._loop.call_soon_threadsafe(_set_all, followers)


def _set_all(events: Sequence[asyncio.Event]) -> None:
    for event in events:
        event.set()


@contextmanager
def _subscription(client: redis.Redis) -> Iterator[PubSub]:
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
        pubsub.subscribe(SETTLED_CHANNEL)
        yield pubsub
