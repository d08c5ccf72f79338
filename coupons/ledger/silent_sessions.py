"""Ends the session of a process that was stopped or cut off while it held a lock.

A stopped process keeps its connections, and with them its locks, without limit: its kernel still
answers for it. So the server ends a session that sends nothing, or reads nothing, for too long.
"""

import os

from coupons.errors import ConfigurationError
from coupons.ledger.connection import Connection, translated
from coupons.queries import query

VARIABLE = "COUPON_RECONCILER_TAKEOVER_SECONDS"
SILENT_SECONDS = 30.0
"""The default of that setting; a rebuild by hand has the same limit."""
WAITING_SECONDS = 300.0
"""For a session whose process waits for Kafka or Connect, a minute or more."""


def end_when_silent(connection: Connection, seconds: float) -> None:
    """Have the server end this session, and free its locks, after so many seconds of silence.

    Silent: it sends no statement, inside or outside of a transaction, or it does not read the rows
    of a query. Raises LedgerUnavailable.
    """
    with translated(connection):
        connection.execute(query("end_when_silent"), {"timeout": f"{int(seconds * 1000)}ms"})


def silent_seconds() -> float:
    """For commands that take locks of the reconciler. Raises ConfigurationError."""
    text = os.environ.get(VARIABLE)
    try:
        seconds = SILENT_SECONDS if text is None else float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds < float("inf"):
        raise ConfigurationError(f"{VARIABLE} is {text!r}: it holds seconds, at least 1")
    return seconds
