"""Long polls: threads that wait for requests to become final, told by Redis or by looking again."""

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic

import redis
from redis.client import PubSub
from redis.exceptions import RedisError

from api.statuses import Key, Statuses
from coupons.errors import CouponError
from coupons.gate.values import SETTLED_CHANNEL, parse_settled
from coupons.metrics import API_WAITERS
from coupons.model import IssueRequest

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 1.0


class Full(Exception):
    """Nobody may wait: the room has no seats, or the process is stopping."""


class Seat:
    """The place of one waiting thread."""

    def __init__(self) -> None:
        self._request: IssueRequest | None = None
        self._woken = Lock()
        self._woken.acquire()

    def wait(self, seconds: float) -> IssueRequest | None:
        """Wait until the request is final and return it; None when the time is over."""
        self._woken.acquire(timeout=seconds)
        return self._request

    def wake(self, request: IssueRequest | None) -> None:
        """Let the thread go; at most once."""
        self._request = request
        self._woken.release()


class WaitingRoom:
    """Where at most `capacity` threads wait.

    Who comes when it is full takes the seat of who has waited longest, who hears what is known: the
    server does not tell when a client has gone, and the seats of those are the oldest.

    One listener thread hears what is settled while somebody waits, and ends when nobody does. It
    looks at all requests again after it has (re)subscribed and every LOOK_AGAIN_SECONDS, because a
    message that is published while nobody listens is lost.
    """

    def __init__(self, client: redis.Redis, statuses: Statuses, capacity: int) -> None:
        self._client = client
        self._statuses = statuses
        self._capacity = capacity
        self._seats: dict[Key, list[Seat]] = {}
        self._by_age: OrderedDict[Seat, Key] = OrderedDict()
        self._listening = False
        self._closing = Event()
        self._lock = Lock()

    @contextmanager
    def seat(self, key: Key) -> Iterator[Seat]:
        """A seat to wait for this request. Raises Full.

        Read the status once seated: from then on nothing is missed.
        """
        seat = Seat()
        self._take(key, seat)
        try:
            yield seat
        finally:
            self._give_up(seat)

    def close(self) -> None:
        """Send everybody away, and let nobody wait any more."""
        self._closing.set()
        with self._lock:
            while self._by_age:
                self._remove(next(iter(self._by_age))).wake(None)

    def _take(self, key: Key, seat: Seat) -> None:
        with self._lock:
            if self._closing.is_set() or not self._capacity:
                raise Full
            if len(self._by_age) >= self._capacity:
                self._remove(next(iter(self._by_age))).wake(None)
            self._by_age[seat] = key
            self._seats.setdefault(key, []).append(seat)
            if not self._listening:
                self._listening = True
                Thread(target=self._listen, name="settled-listener", daemon=True).start()
        API_WAITERS.inc()

    def _give_up(self, seat: Seat) -> None:
        with self._lock:
            if seat in self._by_age:
                self._remove(seat)
        API_WAITERS.dec()

    def _remove(self, seat: Seat) -> Seat:
        key = self._by_age.pop(seat)
        self._seats[key].remove(seat)
        if not self._seats[key]:
            del self._seats[key]
        return seat

    def _listen(self) -> None:
        while True:
            try:
                with _subscription(self._client) as pubsub:
                    self._hear(pubsub)
                    return
            except (RedisError, OSError) as error:
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
        for request in settled:
            key = (request.coupon_id, request.user_id)
            if key not in self._seats:
                continue
            with self._lock:
                for seat in list(self._seats.get(key, ())):
                    self._remove(seat).wake(request)


@contextmanager
def _subscription(client: redis.Redis) -> Iterator[PubSub]:
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
        pubsub.subscribe(SETTLED_CHANNEL)
        yield pubsub
