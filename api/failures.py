"""Failures of the API in its log: each with its traceback, and never a flood of the same one."""

import logging
from collections import OrderedDict
from threading import Lock
from time import monotonic
from types import TracebackType

log = logging.getLogger(__name__)

QUIET_SECONDS = 10.0
MOST_KINDS = 64

_Kind = tuple[type[Exception], str, int]
"""Class of the error, and the file and line that raised it."""


class FailureLog:
    """Logs an error once in QUIET_SECONDS, with how often it came meanwhile.

    A client that finds a way to make a request fail would otherwise fill the disk with tracebacks.
    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[_Kind, tuple[float, int]] = OrderedDict()
        self._lock = Lock()

    def log(self, error: Exception, request: str, x_request_id: str) -> None:
        """Log that the request, by its method and path, has ended in this error."""
        kind = (type(error), *_place(error.__traceback__))
        now = monotonic()
        with self._lock:
            logged_at, more = self._seen.get(kind, (0.0, 0))
            if logged_at and now - logged_at < QUIET_SECONDS:
                self._seen[kind] = logged_at, more + 1
                return
            if len(self._seen) >= MOST_KINDS:
                self._seen.popitem(last=False)
            self._seen[kind] = now, 0
        since = f", and {more} requests before it like this" if more else ""
        extra = {"x_request_id": x_request_id}
        log.error("%s failed%s", request, since, exc_info=error, extra=extra)


def _place(traceback: TracebackType | None) -> tuple[str, int]:
    if traceback is None:
        return "", 0
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
