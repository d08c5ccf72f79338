"""What was done to a coupon, as the audit trail has it."""

from datetime import datetime
from typing import NamedTuple

from coupons.ledger.connection import Connection, translated
from coupons.queries import query

NEWEST = 2**63 - 1
"""Above the number of every action."""

DEFINING = ("create coupon", "change coupon")
"""The actions that gave a coupon its version."""


class CouponAction(NamedTuple):
    """acted_by: the name that was given. login: the role at Postgres; None: not known.

    changes: by column, from what to what, as JSON; None: not a change, or from before it was kept.
    """

    action_id: int
    acted_at: datetime
    acted_by: str
    login: str | None
    action: str
    result: str
    detail: str
    changes: str | None


def list_coupon_actions(
    connection: Connection,
    coupon_id: int,
    before: int,
    most: int,
    actions: list[str] | None = None,
) -> list[CouponAction]:
    """At most so many actions with a number below `before`, the newest first.

    actions: only these; None: all. Raises LedgerUnavailable.
    """
    values = {"coupon_id": coupon_id, "before": before, "most": most, "actions": actions}
    with translated(connection):
        rows = connection.execute(query("list_coupon_actions"), values)
        return [CouponAction(*row) for row in rows]


def last_change_of(connection: Connection, coupon_id: int) -> CouponAction | None:
    """What last changed the coupon's definition; None: the trail does not say."""
    found = list_coupon_actions(connection, coupon_id, NEWEST, 1, list(DEFINING))
    return found[0] if found else None
