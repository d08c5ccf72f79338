"""What came through the change stream and is not in the ledger: lost, or not confirmed yet.

Postgres streams a commit as soon as it is on its own disk. Nobody else sees its rows until a
synchronous standby, if there is one, confirms it.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from coupons.errors import CouponError
from coupons.ledger.connection import Connection
from coupons.ledger.serving import count_unconfirmed

LOOK_AGAIN_SECONDS = 1.2
"""Longer than a commit has to wait until standby_state() counts it."""

Missing = TypeVar("Missing")


class CommitsUnseen(CouponError):
    """What the ledger lacks may be committed, and wait for a synchronous standby."""


def look_for_missing(connection: Connection, look: Callable[[], Missing]) -> Missing:
    """What `look` finds missing in the ledger, if no commit waits that could bring it.

    look: returns something false when nothing is missing; asked again a little later if not.
    Raises CommitsUnseen while it cannot be told, or LedgerUnavailable.
    """
    missing = look()
    if not missing:
        return missing
    # A commit that was streamed before this is by then counted, or seen by the second look.
    time.sleep(LOOK_AGAIN_SECONDS)
    if unconfirmed := count_unconfirmed(connection):
        raise CommitsUnseen(
            f"{unconfirmed} commits wait for a synchronous standby, and nobody sees their rows yet"
        )
    return look()
