"""A repair: what was wrong with a coupon or a request, and the action taken."""

from enum import StrEnum
from typing import NamedTuple

from operations.verify.mismatch import Mismatch, MismatchKind


class RepairAction(StrEnum):
    """What is done, or in a dry run would be done."""

    REBUILT = "rebuilt"
    """The coupon was fenced and loaded from the ledger again."""
    REDEFINED = "redefined"
    """The gate got the ledger's definition: state, window, total; or its audience."""
    MARKED = "marked"
    """The gate got the mark of an outcome that is in the ledger."""
    ROLLED_FORWARD = "rolled_forward"
    """The row of an admitted claim was written on the user's behalf."""
    ROW_RESTORED = "row_restored"
    """The request row of an outcome was written again: the ledger had lost it."""
    FOR_REBUILD = "for_rebuild"
    """A mark cannot repair it: the coupon is rebuilt after the comparison."""
    LEFT = "left"
    """Nothing: the request is in flight, or another process repairs it."""
    FAILED = "failed"
    """The coupon could not be processed; the others could."""


class Repair(NamedTuple):
    """The repair of one coupon or of one of its requests.

    why: for a request a MismatchKind; for a coupon missing, stale, loading, unreadable, fenced,
    ahead, differences, figures, definition, audience or pending; for a failure, what happened.
    requests: how many were affected. mismatch: of a single request.
    """

    action: RepairAction
    why: str
    coupon_id: int
    requests: int
    mismatch: Mismatch | None = None

    @property
    def kind(self) -> str:
        """The name in metrics and logs: rebuilt_stale, marked, rolled_forward ..."""
        return (
            f"{self.action}_{self.why}" if self.action is RepairAction.REBUILT else str(self.action)
        )


NEEDS_REBUILD = frozenset({MismatchKind.FORGOTTEN, MismatchKind.GHOST, MismatchKind.OTHER})
"""Mismatches that a mark cannot repair."""
