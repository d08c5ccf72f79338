"""Whether the consumer is getting on, for /healthz and the metrics."""

import time
from collections.abc import Callable

from cdc_consumer.membership import NotReading
from cdc_consumer.metrics import (
    CONSUMER_ASSIGNED_PARTITIONS,
    CONSUMER_STOPPED,
    HEARTBEAT_AGE_SECONDS,
)

STUCK_AFTER_SECONDS = 30.0
"""Longer than any batch may take with every timeout used up."""

UNREAD_AFTER_SECONDS = 30.0
"""Longer than a rebalance takes where no member has to be waited for."""

_JOINING = "joining the group"


class Health:
    """Written by the loop, read by the HTTP threads; every change is one assignment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_sign = clock()
        self._trouble: str | None = "starting"
        self._unread: tuple[float, NotReading] | None = None
        self._outside_since: float | None = None
        self._newest_heartbeat_us: int | None = None
        HEARTBEAT_AGE_SECONDS.set_function(self._heartbeat_age_seconds)

    def alive(self) -> None:
        """The loop goes round."""
        self._last_sign = self._clock()

    def joining(self) -> None:
        """It is no member of its group yet."""
        self._trouble = _JOINING

    def joined(self) -> None:
        """The group told which partitions are ours, perhaps none."""
        if self._trouble == _JOINING:
            self._trouble = None

    def reading(self, trouble: NotReading | None) -> None:
        """Whether it is a member of the group and reads what it owns; None: it does."""
        now = self._clock()
        if trouble is None:
            self._unread = None
        else:
            self._unread = (now if self._unread is None else self._unread[0]), trouble
        if trouble is None or trouble.is_member:
            self._outside_since = None
        elif self._outside_since is None:
            self._outside_since = now

    def outside_seconds(self) -> float:
        """For how long it has not been a member of its group; 0: it is one."""
        return 0.0 if self._outside_since is None else self._clock() - self._outside_since

    def working(self) -> None:
        """Nothing is in the way (any more)."""
        self._trouble = None
        CONSUMER_STOPPED.set(0)

    def backing_off(self, trouble: str) -> None:
        """Something is away; it is tried again in a while."""
        self._trouble = trouble

    def stopped(self, trouble: str) -> None:
        """Somebody has to look: it is tried again, but will hardly pass by itself."""
        self._trouble = f"stopped: {trouble}"
        CONSUMER_STOPPED.set(1)

    def owns(self, partitions: int, heartbeat: bool) -> None:
        """What was assigned. Who does not own the heartbeat's partition knows no freshness."""
        CONSUMER_ASSIGNED_PARTITIONS.set(partitions)
        if not heartbeat:
            self._newest_heartbeat_us = None

    def heartbeat_seen(self, heartbeat_us: int) -> None:
        """A heartbeat came through; when its row was written, in microseconds since 1970."""
        self._newest_heartbeat_us = heartbeat_us

    def complaint(self) -> str | None:
        """What is wrong, in a sentence; None when all is well."""
        silent_seconds = self._clock() - self._last_sign
        if silent_seconds > STUCK_AFTER_SECONDS:
            return f"stuck: the loop has not come round for {silent_seconds:.0f} s"
        return self._trouble or self._unread_for_long()

    def _unread_for_long(self) -> str | None:
        if self._unread is None:
            return None
        since, trouble = self._unread
        seconds = self._clock() - since
        return f"{trouble.why}, for {seconds:.0f} s" if seconds > UNREAD_AFTER_SECONDS else None

    def _heartbeat_age_seconds(self) -> float:
        newest_heartbeat_us = self._newest_heartbeat_us
        return (
            float("nan") if newest_heartbeat_us is None else time.time() - newest_heartbeat_us / 1e6
        )
