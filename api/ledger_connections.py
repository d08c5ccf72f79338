"""Connections to Postgres for writing, made when needed and kept while they work."""

from collections.abc import Iterator
from contextlib import contextmanager

from coupons.ledger.connection import Connection, connect_ledger

ANSWER_TIMEOUT_SECONDS = 2.0


class LedgerConnections:
    """Lends connections; keeps as many as were ever lent at once. Safe to share between threads."""

    def __init__(self, url: str, application_name: str) -> None:
        self._url = url
        self._application_name = application_name
        self._idle: list[Connection] = []

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """An autocommit connection, new when none is idle. Raises LedgerUnavailable."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect_ledger(
                self._url, self._application_name, ANSWER_TIMEOUT_SECONDS, by_key=True
            )
        try:
            yield connection
        finally:
            if not connection.closed:
                self._idle.append(connection)
