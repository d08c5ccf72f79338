"""Cancels at the server the statements that a client has given up.

A client that closes its connection does not end its statement: a backend that waits for a lock, or
for a standby to confirm a commit, does not check its client. Each new attempt would add one more
backend, until nobody can connect.
"""

import logging
import select
from threading import Lock, Thread
from time import monotonic
from typing import Any

import psycopg
from psycopg.pq import PGconn
from psycopg.pq.abc import PGconn as AnyPGconn

log = logging.getLogger(__name__)

MOST_ABANDONED = 4
"""In one process, besides the connections that it uses. Usually each ends in milliseconds."""
ROUND_SECONDS = 1.0
UNREACHABLE_SECONDS = 30.0
"""A server that cannot be reached for so long is down, or another server has replaced it."""

_CLOSED = b"port=none"


class AbandonedConnections:
    """Connections whose last statement is being cancelled. Safe to share between threads."""

    def __init__(self, most: int = MOST_ABANDONED) -> None:
        self._most = most
        self._count = 0
        self._lock = Lock()

    @property
    def count(self) -> int:
        """How many there are now."""
        return self._count

    @property
    def full(self) -> bool:
        """Whether there are so many that no new connection should be made."""
        return self._count >= self._most

    def take(self, connection: psycopg.Connection[Any]) -> None:
        """Take over the session of a connection; the connection itself is closed then."""
        taken = psycopg.Connection[Any](connection.pgconn)
        connection.pgconn = _closed()
        with self._lock:
            self._count += 1
        Thread(target=self._end, args=(taken,), name="abandoned", daemon=True).start()

    def _end(self, taken: psycopg.Connection[Any]) -> None:
        try:
            if not _cancelled(taken):
                log.warning("Postgres cannot be reached to cancel an abandoned statement")
        finally:
            taken.close()
            with self._lock:
                self._count -= 1


ABANDONED = AbandonedConnections()
"""Those of this process."""


def _closed() -> AnyPGconn:
    """A closed connection: psycopg has no other way to detach a session without ending it."""
    never = PGconn.connect_start(_CLOSED)
    never.finish()
    return never


def _cancelled(taken: psycopg.Connection[Any]) -> bool:
    """Cancel until the server answers or disconnects: then its backend is free and ends."""
    reached = monotonic()
    while monotonic() - reached < UNREACHABLE_SECONDS:
        try:
            taken.cancel_safe(timeout=ROUND_SECONDS)
            reached = monotonic()
        except psycopg.Error as error:
            log.info("cannot cancel at Postgres yet: %s", error)
        if _has_answered(taken):
            return True
    return False


def _has_answered(taken: psycopg.Connection[Any]) -> bool:
    poll = select.poll()
    poll.register(taken.fileno(), select.POLLIN)
    return bool(poll.poll(ROUND_SECONDS * 1000))
