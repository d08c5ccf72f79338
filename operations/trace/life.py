"""What becomes of an issued coupon, as steps of a trace."""

from collections.abc import Iterator
from datetime import datetime

from coupons.ledger.lives import Life
from coupons.ledger.owned_coupons import Change
from coupons.model import IssuedState
from operations.trace.timeline import Stage, StageState, Step

_TIME = "%Y-%m-%d %H:%M:%S UTC"


def steps_of_life(life: Life, now: datetime) -> Iterator[Step]:
    """A step for each change, and one for an expiry that is not a change yet."""
    hidden = life.total - len(life.changes)
    for change in life.changes:
        earlier = f"; {hidden:,} earlier changes are not shown" if hidden else ""
        yield Step(_stage(change), StageState.REACHED, _says(change) + earlier, change.changed_at)
        hidden = 0
    if life.expires_at is None or life.state not in (IssuedState.ACTIVE, IssuedState.USED):
        return
    if life.state is IssuedState.USED:
        says = f"not while it is used; its time is over at {life.expires_at:{_TIME}}"
        yield Step(Stage.EXPIRED, StageState.WAITING, says)
    elif life.is_over(now):
        says = "its time is over; the reconciler writes the change"
        yield Step(Stage.EXPIRED, StageState.REACHED, says, life.expires_at)
    else:
        says = f"it expires at {life.expires_at:{_TIME}}, unless it is used before"
        yield Step(Stage.EXPIRED, StageState.WAITING, says)


def _stage(change: Change) -> Stage:
    if change.to_state is IssuedState.ACTIVE:
        return Stage.USE_CANCELLED
    return Stage(change.to_state)


def _says(change: Change) -> str:
    if change.to_state is IssuedState.USED:
        return f"for order {change.order_reference}, by {change.changed_by}"
    if change.to_state is IssuedState.REVOKED:
        return f"by {change.changed_by}, reason: {change.reason}"
    if change.from_state is IssuedState.USED:
        says = f"the use for order {change.order_reference} was cancelled by {change.changed_by}"
        return says if change.to_state is IssuedState.ACTIVE else f"{says} after its time was over"
    return f"its time was over; written by {change.changed_by}"
