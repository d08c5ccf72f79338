"""Long polls: tasks that wait for requests to become final, told by Redis or by looking again."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
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

LOOK_AGAIN_SECONDS = 1.0

Waiter = asyncio.Future[IssueRequest | None]
"""The place of one waiting task; its result is the final request, or None to go with what it
knows."""


class LongPollHub:
    """Where at most `capacity` tasks of one event loop wait.

    Who comes when it is full takes the seat of who has waited longest, who hears what is known: a
    client that has gone leaves no trace, and the seats of those are the oldest.

    One listener thread hears what is settled while somebody waits, and ends when nobody does. It
    looks at all requests again after it has (re)subscribed and every LOOK_AGAIN_SECONDS, because a
    message that is published while nobody listens is lost.
    """

    def __init__(self, client: redis.Redis, statuses: Statuses, capacity: int) -> None:
        self._client = client
        self._statuses = statuses
        self._capacity = capacity
        self._seats: dict[Key, list[Waiter]] = {}
        self._by_age: OrderedDict[Waiter, Key] = OrderedDict()
        self._listening = False
        self._closing = Event()
        self._lock = Lock()

    async def wait(self, key: Key, seconds: float) -> IssueRequest | None:
        """The request once it is final, or as it is when the time is over; None if there is none.

        seconds: 0 for no waiting; nobody waits either when the room has no seats or is closed.
        Raises LedgerUnavailable when its status cannot be had.
        """
        seat = self._take(key) if seconds else None
        try:
            # Once seated: from now on nothing is missed.
            found = await asyncio.to_thread(self._find, key)
            if seat is None or found is None or found.is_final:
                return found
            await asyncio.wait([seat], timeout=seconds)
            return (seat.done() and seat.result()) or found
        finally:
            if seat is not None:
                self._give_up(seat)

    def close(self) -> None:
        """Send everybody away, and let nobody wait any more."""
        self._closing.set()
        with self._lock:
            told = [(seat, None) for seat in self._by_age]
        self._wake(told)

    def _find(self, key: Key) -> IssueRequest | None:
        return self._statuses.find([key]).get(key)

    def _take(self, key: Key) -> Waiter | None:
        if self._closing.is_set() or not self._capacity:
            return None
        seat: Waiter = asyncio.get_running_loop().create_future()
        with self._lock:
            oldest = next(iter(self._by_age)) if len(self._by_age) >= self._capacity else None
            self._by_age[seat] = key
            self._seats.setdefault(key, []).append(seat)
            if not self._listening:
                self._listening = True
                Thread(target=self._listen, name="settled-listener", daemon=True).start()
        if oldest is not None:
            self._let_go([(oldest, None)])
        API_WAITERS.inc()
        return seat

    def _give_up(self, seat: Waiter) -> None:
        self._remove(seat)
        API_WAITERS.dec()

    def _remove(self, seat: Waiter) -> None:
        with self._lock:
            key = self._by_age.pop(seat, None)
            if key is not None:
                self._seats[key].remove(seat)
                if not self._seats[key]:
                    del self._seats[key]

    def _wake(self, told: Sequence[tuple[Waiter, IssueRequest | None]]) -> None:
        """Let them go, all in one turn of their event loop; from any thread."""
        if told:
            told[0][0].get_loop().call_soon_threadsafe(self._let_go, told)

    def _let_go(self, told: Sequence[tuple[Waiter, IssueRequest | None]]) -> None:
        for seat, request in told:
            self._remove(seat)
            if not seat.done():
                seat.set_result(request)

    def _listen(self) -> None:
        while True:
            try:
                with _subscription(self._client) as pubsub:
                    self._hear(pubsub)
                    return
            except REDIS_ERRORS as error:
                log.warning("Redis does not tell what is settled: %s; looking instead", error)
            except Exception:
                # Whatever it was, those who wait depend on this thread.
                log.exception("the listener stumbled; it goes on")
            if not self._is_needed():
                return
            self._look_again()
            self._closing.wait(LOOK_AGAIN_SECONDS)

    def _hear(self, pubsub: PubSub) -> None:
        look_at = 0.0
        while self._is_needed():
            message = pubsub.get_message(
                timeout=max(0.0, look_at - monotonic()) or LOOK_AGAIN_SECONDS
            )
            if message is not None:
                self._tell(parse_settled(message["data"]))
            if monotonic() >= look_at:
                self._look_again()
                look_at = monotonic() + LOOK_AGAIN_SECONDS

    def _is_needed(self) -> bool:
        """Whether somebody waits; if not, the next who does starts another listener."""
        with self._lock:
            self._listening = bool(self._by_age)
            return self._listening

    def _look_again(self) -> None:
        with self._lock:
            keys = list(self._seats)
        try:
            found = self._statuses.find(keys) if keys else {}
        except CouponError as error:
            log.warning("%s; those who wait go on waiting", error)
            return
        self._tell(request for request in found.values() if request.is_final)

    def _tell(self, settled: Iterable[IssueRequest]) -> None:
        with self._lock:
            told = [
                (seat, request)
                for request in settled
                for seat in self._seats.get((request.coupon_id, request.user_id), ())
            ]
        self._wake(told)


@contextmanager
def _subscription(client: redis.Redis) -> Iterator[PubSub]:
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
        pubsub.subscribe(SETTLED_CHANNEL)
        yield pubsub
