"""In what way the gate and the ledger can differ about one request."""

from enum import StrEnum
from typing import NamedTuple

from coupons.ids import request_id
from coupons.model import IssueRequest


class MismatchKind(StrEnum):
    """What is wrong with a request."""

    MISSING_MARK = "missing_mark"
    """Final in the ledger, and the gate was not told or forgot."""
    UNWRITTEN = "unwritten"
    """The gate holds a place, and the ledger has no row: a claim on its way, or nobody's."""
    FORGOTTEN = "forgotten"
    """A row that is not final, and the gate holds no place for it: it may admit one too many."""
    GHOST = "ghost"
    """Final at the gate, and not in the ledger: the user is told of a coupon that is not there."""
    NO_REQUEST = "no_request"
    """An outcome in the ledger whose request row is missing: the ledger went back in time."""
    OTHER = "other"
    """Both know it, and one has another outcome, time or reason."""


class Mismatch(NamedTuple):
    """One request about which they differ; None: that side has no such request."""

    coupon_id: int
    user_id: int
    kind: MismatchKind
    in_ledger: IssueRequest | None
    at_gate: IssueRequest | None

    @property
    def request_id(self) -> str:
        """Its UUID, whether there is a row or not."""
        return str(request_id(self.coupon_id, self.user_id))

    @property
    def sentence(self) -> str:
        """What each side says."""
        ledger = _told(self.in_ledger, "no row")
        gate = _told(self.at_gate, "unknown")
        return f"{ledger} in the ledger, {gate} at the gate"


def classify(
    before: IssueRequest | None, at_gate: IssueRequest | None, after: IssueRequest | None
) -> MismatchKind | None:
    """What is wrong, if anything, with a request of the ledger, read before and after the gate.

    Rows and outcomes come and never go, and every step is taken in one order: admitted at the gate,
    written, final in the ledger, marked at the gate. So what the gate lacks counts against the
    ledger as it was before, and what it has too much against the ledger as it was after.
    """
    if at_gate is not None and at_gate.is_final:
        if after is None or not after.is_final:
            return MismatchKind.GHOST
        return None if at_gate == after else MismatchKind.OTHER
    if before is not None and before.is_final:
        return MismatchKind.MISSING_MARK
    if at_gate is None:
        return None if before is None else MismatchKind.FORGOTTEN
    if after is None:
        return MismatchKind.UNWRITTEN
    if after.requested_at_us != at_gate.requested_at_us:
        return MismatchKind.OTHER
    return None


def _told(request: IssueRequest | None, otherwise: str) -> str:
    if request is None:
        return otherwise
    return f"{request.status} ({request.reason})" if request.reason else str(request.status)
