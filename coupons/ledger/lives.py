"""What becomes of an issued coupon: its last changes, and when it expires."""

from datetime import datetime
from typing import NamedTuple

from coupons.ledger.connection import Connection, translated
from coupons.ledger.owned_coupons import Change
from coupons.model import IssuedState
from coupons.queries import query

MOST_CHANGES = 50
"""The last ones are read: a use can be cancelled and repeated without limit."""


class Life(NamedTuple):
    """expires_at: None: never. total: how many changes there are. changes: the last, in order."""

    expires_at: datetime | None
    total: int
    changes: list[Change]

    @property
    def state(self) -> IssuedState:
        """The state that the last change left; an expiry that is not a change yet is not in it."""
        return self.changes[-1].to_state if self.changes else IssuedState.ACTIVE

    def is_over(self, now: datetime) -> bool:
        """Whether it has expired, and that is not a change yet."""
        is_active = self.state is IssuedState.ACTIVE
        return is_active and self.expires_at is not None and self.expires_at <= now


def read_life(connection: Connection, coupon_id: int, user_id: int) -> Life | None:
    """What became of this issued coupon; None: it is not issued. Raises LedgerUnavailable."""
    values = {"coupon_id": coupon_id, "user_id": user_id, "most": MOST_CHANGES}
    with translated(connection):
        rows = connection.execute(query("read_life"), values).fetchall()
    if not rows:
        return None
    expires_at, total = rows[0][:2]
    changes = [
        Change(number, IssuedState(from_state), IssuedState(to_state), *rest)
        for _, _, number, from_state, to_state, *rest in reversed(rows)
        if total
    ]
    return Life(expires_at, total, changes)
