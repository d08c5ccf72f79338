"""What a reconciliation found, and what it did about it."""

from enum import StrEnum
from typing import NamedTuple

from operations.verify.mismatch import Mismatch, MismatchKind


class RepairAction(StrEnum):
    """What is done, or in a dry run would be."""

    REBUILT = "rebuilt"
    """The coupon was fenced and loaded from the ledger anew."""
    REDEFINED = "redefined"
    """The gate was given the ledger's definition: state, window, total."""
    MARKED = "marked"
    """The gate was told of an outcome that is in the ledger."""
    ROLLED_FORWARD = "rolled_forward"
    """The row of an admitted claim was written on the user's behalf."""
    ROW_RESTORED = "row_restored"
    """The request row of an outcome was written again: the ledger had lost it."""
    FOR_REBUILD = "for_rebuild"
    """No mark mends it: the coupon is rebuilt when the comparison is done."""
    LEFT = "left"
    """Nothing: it is on its way, or somebody else is at it."""
    FAILED = "failed"
    """The coupon could not be worked on; the others could."""


class Repair(NamedTuple):
    """Of one coupon or one of its requests.

    why: what was wrong (a Kind, or of a whole coupon: missing, stale, loading, unreadable, fenced,
    ahead, figures, definition, pending; of a failure, what happened). requests: how many
    it concerned. difference: of a single request.
    """

    deed: RepairAction
    why: str
    coupon_id: int
    requests: int
    difference: Mismatch | None = None

    @property
    def kind(self) -> str:
        """Name for metrics and logs: rebuilt_stale, marked, rolled_forward ..."""
        return f"{self.deed}_{self.why}" if self.deed is RepairAction.REBUILT else str(self.deed)


NEEDS_REBUILD = frozenset({MismatchKind.FORGOTTEN, MismatchKind.GHOST, MismatchKind.OTHER})
"""What no mark can mend."""
