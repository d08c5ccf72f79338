"""What becomes of an issued coupon: its changes, and when it expires."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from coupons.ledger.connection import Connection, translated
from coupons.queries import query
from operations.trace.timeline import Stage, StageState, Step

MOST_CHANGES = 50
"""The last ones are shown: a use can be cancelled and repeated without limit."""
_TIME = "%Y-%m-%d %H:%M:%S UTC"


class LifeChange(NamedTuple):
    """One change of an issued coupon, in UTC. number: from 1."""

    number: int
    from_state: str
    to_state: str
    changed_at: datetime
    changed_by: str
    order_reference: str | None
    reason: str | None


class Life(NamedTuple):
    """expires_at: None: never. total: how many changes there are. changes: the last, in order."""

    expires_at: datetime | None
    total: int
    changes: list[LifeChange]


def read_life(connection: Connection, coupon_id: int, user_id: int) -> Life | None:
    """What became of this issued coupon; None: it is not issued. Raises LedgerUnavailable."""
    values = {"coupon_id": coupon_id, "user_id": user_id, "most": MOST_CHANGES}
    with translated(connection):
        rows = connection.execute(query("read_life"), values).fetchall()
    if not rows:
        return None
    expires_at, total = rows[0][:2]
    return Life(expires_at, total, [LifeChange(*row[2:]) for row in reversed(rows) if total])


def steps_of_life(life: Life, now: datetime) -> Iterator[Step]:
    """A step for each change, and one for an expiry that is not a change yet."""
    hidden = life.total - len(life.changes)
    for change in life.changes:
        earlier = f"; {hidden:,} earlier changes are not shown" if hidden else ""
        yield Step(_stage(change), StageState.REACHED, _says(change) + earlier, change.changed_at)
        hidden = 0
    state = life.changes[-1].to_state if life.changes else "active"
    if life.expires_at is None or state not in ("active", "used"):
        return
    if state == "used":
        says = f"not while it is used; its time is over at {life.expires_at:{_TIME}}"
        yield Step(Stage.EXPIRED, StageState.WAITING, says)
    elif life.expires_at <= now:
        says = "its time is over; the reconciler writes the change"
        yield Step(Stage.EXPIRED, StageState.REACHED, says, life.expires_at)
    else:
        says = f"it expires at {life.expires_at:{_TIME}}, unless it is used before"
        yield Step(Stage.EXPIRED, StageState.WAITING, says)


def _stage(change: LifeChange) -> Stage:
    if change.to_state == "active":
        return Stage.USE_CANCELLED
    return Stage(change.to_state)


def _says(change: LifeChange) -> str:
    if change.to_state == "used":
        return f"for order {change.order_reference}, by {change.changed_by}"
    if change.to_state == "revoked":
        return f"by {change.changed_by}, reason: {change.reason}"
    if change.from_state == "used":
        says = f"the use for order {change.order_reference} was cancelled by {change.changed_by}"
        return says if change.to_state == "active" else f"{says} after its time was over"
    return f"its time was over; written by {change.changed_by}"
