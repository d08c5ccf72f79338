"""Reads one source again and again, on a thread of its own: a silent one delays no other."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from coupons.errors import CouponError

log = logging.getLogger(__name__)

LONGEST_REASON = 500
"""Characters: a server's error may quote anything, of any length."""

CLOCK_WAS_SET = timedelta(seconds=1)
"""A clock that is corrected slowly differs by less."""

T = TypeVar("T")
Value = TypeVar("Value", covariant=True)


@dataclass(frozen=True, slots=True)
class Reading(Generic[Value]):
    """What a source said last.

    value: None: unknown since `since`, because of `why`. since: of a known value when it was read;
    else when the last one was read, or when the monitor started; by the clock as it is set now.
    age_s: seconds since then, by a clock that does not jump. took_s: how long the last finished
    reading took; None: there is none.
    """

    value: Value | None
    since: datetime
    age_s: float
    took_s: float | None
    why: str | None

    @property
    def is_known(self) -> bool:
        return self.value is not None


class Source(Generic[T]):
    """One source. read: returns what it says, or raises; called on the thread of this source only.

    interval_s: from one reading to the next. timeout_s: a reading that takes longer makes the value
    unknown until it has ended.
    """

    def __init__(
        self, name: str, read: Callable[[], T], interval_s: float, timeout_s: float
    ) -> None:
        self.name = name
        self._read = read
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._lock = Lock()
        self._began_s: float | None = None
        self._value: T | None = None
        self._last: T | None = None
        self._why: str | None = "it was not read yet"
        self._took_s: float | None = None
        self._since = datetime.now(UTC)
        self._since_s = time.monotonic()
        self._thread: Thread | None = None

    def start(self, stop: Event) -> None:
        """Read until `stop` is set."""
        self._thread = Thread(target=self._run, args=(stop,), name=self.name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def last(self) -> T | None:
        """The last value that was read, however old: for another source to work with."""
        return self._last

    @property
    def reading(self) -> Reading[T]:
        """The last value, or that it is unknown. Never waits for the source."""
        now_s = time.monotonic()
        with self._lock:
            value, why = self._value, self._why
            if self._began_s is not None and now_s - self._began_s > self._timeout_s:
                value, why = None, why or f"no answer within {self._timeout_s:g} s"
            age_s = now_s - self._since_s
            return Reading(value, _as_set_now(self._since, age_s), age_s, self._took_s, why)

    def refresh(self) -> None:
        """Read once, now."""
        began_s = time.monotonic()
        with self._lock:
            self._began_s = began_s
        value, why = self._try()
        ended_s = time.monotonic()
        with self._lock:
            if (why is None) != (self._why is None):
                log.log(*_change(self.name, why))
            self._value, self._why, self._took_s = value, why, ended_s - began_s
            self._began_s = None
            if why is None:
                self._last, self._since, self._since_s = value, datetime.now(UTC), ended_s

    def _run(self, stop: Event) -> None:
        while not stop.is_set():
            began_s = time.monotonic()
            self.refresh()
            stop.wait(max(0.0, began_s + self._interval_s - time.monotonic()))

    def _try(self) -> tuple[T | None, str | None]:
        try:
            return self._read(), None
        except CouponError as error:
            return None, (str(error).strip() or type(error).__name__)[:LONGEST_REASON]
        except Exception as error:
            # Whatever a client raises, the other sources are still shown.
            if self._why is None:
                log.exception("%s cannot be read", self.name)
            first_line = str(error).strip().partition("\n")[0]
            return None, f"{type(error).__name__}: {first_line}"[:LONGEST_REASON]


def _as_set_now(moment: datetime, age_s: float) -> datetime:
    """When it was so many seconds ago; not as noted then if the clock was set meanwhile."""
    then = datetime.now(UTC) - timedelta(seconds=age_s)
    return then if abs(then - moment) > CLOCK_WAS_SET else moment


def _change(name: str, why: str | None) -> tuple[int, str, *tuple[str, ...]]:
    if why is None:
        return logging.INFO, "%s is known", name
    return logging.WARNING, "%s is unknown: %s", name, why
