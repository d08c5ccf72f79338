"""The ways in which a request can be wrong: gate and ledger differ, or it is not final."""

from enum import StrEnum
from typing import NamedTuple

from coupons.ids import request_id
from coupons.model import IssueRequest


class MismatchKind(StrEnum):
    """What is wrong with a request."""

    MISSING_MARK = "missing_mark"
    """Final in the ledger and not at the gate: the mark was not written, or was lost."""
    UNWRITTEN = "unwritten"
    """Admitted at the gate, and the ledger has no row: a claim in progress, or an abandoned one."""
    FORGOTTEN = "forgotten"
    """A row that is not final and that the gate does not count: it may admit one claim too many."""
    GHOST = "ghost"
    """Final at the gate and not in the ledger: the user sees an outcome that does not exist."""
    NO_REQUEST = "no_request"
    """An outcome in the ledger whose request row is missing: the ledger went back in time."""
    OTHER = "other"
    """Both have it, with another outcome, time or reason."""
    IN_FLIGHT = "in_flight"
    """Accepted and not final yet. `coupon verify` alone reports this and the next ones."""
    DEAD_LETTER = "dead_letter"
    """Not final: its change event is a dead letter."""
    LOST = "lost"
    """Not final: the stream has passed it, and no dead letter has it."""
    NO_COUPON = "no_coupon"
    """A request whose coupon does not exist."""
    NOT_ISSUED = "not_issued"
    """A change or a code of an issued coupon that does not exist."""
    BROKEN_CHAIN = "broken_chain"
    """A change of an issued coupon that does not continue the one before it."""
    LATE_USE = "late_use"
    """A use that is later than the time at which the issued coupon expired."""
    TWO_CODES = "two_codes"
    """An issued coupon with more than one code."""
    LATE_CODE = "late_code"
    """A code that was given after the issued coupon had expired or was revoked."""
    WRONG_CHECK = "wrong_check"
    """A made code whose check character is wrong: no till finds it."""
    NOT_REQUESTED = "not_requested"
    """Promoted from a standby list, and without a request."""
    STILL_WAITS = "still_waits"
    """In line for a coupon for which the user has a request."""
    OVERTAKEN = "overtaken"
    """In line, and somebody who stood behind was promoted meanwhile."""


class Mismatch(NamedTuple):
    """One request about which gate and ledger differ; None: that side does not have it."""

    coupon_id: int
    user_id: int
    kind: MismatchKind
    in_ledger: IssueRequest | None
    at_gate: IssueRequest | None

    @property
    def request_id(self) -> str:
        """Its UUID, also when there is no row."""
        return str(request_id(self.coupon_id, self.user_id))

    @property
    def sentence(self) -> str:
        """What each side has."""
        ledger = _status(self.in_ledger, "no row")
        gate = _status(self.at_gate, "unknown")
        return f"{ledger} in the ledger, {gate} at the gate"


def classify(
    before: IssueRequest | None, at_gate: IssueRequest | None, after: IssueRequest | None
) -> MismatchKind | None:
    """What is wrong with a request, if anything. The ledger was read before and after the gate.

    Rows and outcomes are added and never removed, in one order: admitted at the gate, written,
    final in the ledger, marked at the gate. So what the gate lacks is compared with the ledger's
    earlier state, and what the gate has in excess with the ledger's later state.
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


def _status(request: IssueRequest | None, otherwise: str) -> str:
    if request is None:
        return otherwise
    return f"{request.status} ({request.reason})" if request.reason else str(request.status)
