"""Rows that came through the change stream and are not in the ledger: lost, or not confirmed yet.

Postgres streams a commit as soon as it is on its own disk. Other sessions do not see its rows until
a synchronous standby, if there is one, confirms it.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from coupons.errors import CouponError
from coupons.ledger.connection import Connection
from coupons.ledger.write_check import count_unconfirmed

CHECK_AGAIN_SECONDS = 1.2
"""Longer than a commit has to wait until standby_state() counts it."""

Missing = TypeVar("Missing")


class CommitsUnseen(CouponError):
    """The missing rows may be committed, and wait for a synchronous standby."""


def look_for_missing(connection: Connection, find: Callable[[], Missing]) -> Missing:
    """What `find` finds missing in the ledger. Commits that wait for a standby are not missing.

    find: returns something false when nothing is missing; else it is called again a little later.
    Raises CommitsUnseen while it cannot be decided, or LedgerUnavailable.
    """
    missing = find()
    if not missing:
        return missing
    # After this pause, a commit that was streamed before is counted, or visible.
    time.sleep(CHECK_AGAIN_SECONDS)
    if unconfirmed := count_unconfirmed(connection):
        raise CommitsUnseen(
            f"{unconfirmed} commits wait for a synchronous standby; their rows are not visible yet"
        )
    return find()
