"""Sessions that hold a lock, and a process that was stopped or cut off while it held one.

A stopped process keeps its connections, and with them its locks, without limit: its kernel goes on
answering for it. So the server ends a session that says nothing, or takes nothing, for too long.
"""

import os

from coupons.errors import ConfigurationError
from coupons.ledger.connection import Connection, translated
from coupons.queries import query

VARIABLE = "COUPON_RECONCILER_TAKEOVER_SECONDS"
SILENT_SECONDS = 30.0
"""As that setting of the reconciler is by default: a rebuild by hand is held to the same."""
WAITING_SECONDS = 300.0
"""For a session whose process waits meanwhile for Kafka or Connect, a minute and more."""


def end_when_silent(connection: Connection, seconds: float) -> None:
    """Have the server end this session, and free its locks, after so many seconds of silence.

    Silent: no statement comes, inside or outside of a transaction, or rows that were asked for are
    not taken. Raises LedgerUnavailable.
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
