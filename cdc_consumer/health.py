"""The health of the consumer, for /healthz and the metrics."""

import time
from collections.abc import Callable

from cdc_consumer.membership import NotReading
from cdc_consumer.metrics import (
    CONSUMER_ASSIGNED_PARTITIONS,
    CONSUMER_STOPPED,
    HEARTBEAT_AGE_SECONDS,
)
from coupons.errors import STOPPED_AT_LIMIT

STUCK_AFTER_SECONDS = 30.0
"""Longer than any batch may take with every timeout used up."""

UNREAD_AFTER_SECONDS = 30.0
"""Longer than a rebalance takes when no member has to be waited for."""

_JOINING = "joining the group"


class Health:
    """Written by the loop, read by the HTTP threads; every change is one assignment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._alive_at = clock()
        self._failure: str | None = "starting"
        self._unread: tuple[float, NotReading] | None = None
        self._outside_since: float | None = None
        self._newest_heartbeat_us: int | None = None
        HEARTBEAT_AGE_SECONDS.set_function(self._heartbeat_age_seconds)

    def alive(self) -> None:
        """The loop is running."""
        self._alive_at = self._clock()

    def joining(self) -> None:
        """It is not a member of its group yet."""
        self._failure = _JOINING

    def joined(self) -> None:
        """The group assigned partitions, perhaps none."""
        self._outside_since = None
        if self._failure == _JOINING:
            self._failure = None

    def reading(self, failure: NotReading | None) -> None:
        """Set why it does not read its partitions; None: it reads them."""
        now = self._clock()
        if failure is None:
            self._unread = None
        else:
            self._unread = (now if self._unread is None else self._unread[0]), failure
        if failure is None or failure.is_member:
            self._outside_since = None
        elif self._outside_since is None:
            self._outside_since = now

    def outside_with_reason(self) -> None:
        """Nobody could be in the group: being outside of it counts from now."""
        self._outside_since = self._clock()

    def outside_seconds(self) -> float:
        """For how long it has not been a member of its group; 0: it is one."""
        return 0.0 if self._outside_since is None else self._clock() - self._outside_since

    def working(self) -> None:
        """It handles batches (again)."""
        self._failure = None
        CONSUMER_STOPPED.set(0)

    def backing_off(self, failure: str) -> None:
        """A server does not answer; the batch is tried again later."""
        self._failure = failure

    def stopped(self, failure: str) -> None:
        """Somebody has to act: it is tried again, but this will hardly pass by itself."""
        self._failure = f"{STOPPED_AT_LIMIT}{failure}"
        CONSUMER_STOPPED.set(1)

    def owns(self, partitions: int, heartbeat: bool) -> None:
        """Set what is assigned. Without the heartbeat's partition the heartbeat age is unknown."""
        CONSUMER_ASSIGNED_PARTITIONS.set(partitions)
        if not heartbeat:
            self._newest_heartbeat_us = None

    def heartbeat_seen(self, heartbeat_us: int) -> None:
        """A heartbeat came; when its row was written, in microseconds since 1970."""
        self._newest_heartbeat_us = heartbeat_us

    def complaint(self) -> str | None:
        """What is wrong, in words; None when it is healthy."""
        silent_seconds = self._clock() - self._alive_at
        if silent_seconds > STUCK_AFTER_SECONDS:
            return f"stuck: the loop has not run for {silent_seconds:.0f} s"
        return self._failure or self._unread_for_long()

    def _unread_for_long(self) -> str | None:
        if self._unread is None:
            return None
        since, failure = self._unread
        seconds = self._clock() - since
        return f"{failure.why}, for {seconds:.0f} s" if seconds > UNREAD_AFTER_SECONDS else None

    def _heartbeat_age_seconds(self) -> float:
        newest_heartbeat_us = self._newest_heartbeat_us
        return (
            float("nan") if newest_heartbeat_us is None else time.time() - newest_heartbeat_us / 1e6
        )
