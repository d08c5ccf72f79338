"""Logs failures of the API with their traceback, and not the same one again and again."""

import logging
from collections import OrderedDict
from threading import Lock
from time import monotonic
from types import TracebackType

log = logging.getLogger(__name__)

QUIET_SECONDS = 10.0
MOST_KINDS = 64

_Origin = tuple[type[Exception], str, int]
"""Class of the error, and the file and line that raised it."""


class FailureLog:
    """Logs an error once in QUIET_SECONDS, with how often it occurred meanwhile.

    Otherwise a client that can make a request fail could fill the disk with tracebacks.
    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[_Origin, tuple[float, int]] = OrderedDict()
        self._lock = Lock()

    def log(self, error: Exception, request: str, x_request_id: str) -> None:
        """Log that a request has ended in this error. request: its method and path."""
        origin = (type(error), *_line(error.__traceback__))
        now = monotonic()
        with self._lock:
            logged_at, more = self._seen.get(origin, (0.0, 0))
            if logged_at and now - logged_at < QUIET_SECONDS:
                self._seen[origin] = logged_at, more + 1
                return
            if len(self._seen) >= MOST_KINDS:
                self._seen.popitem(last=False)
            self._seen[origin] = now, 0
        since = f", and {more} requests before it in the same way" if more else ""
        extra = {"x_request_id": x_request_id}
        log.error("%s failed%s", request, since, exc_info=error, extra=extra)


def _line(traceback: TracebackType | None) -> tuple[str, int]:
    if traceback is None:
        return "", 0
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
