"""What became of a claim: one outcome, and the issue request where there is one."""

from enum import StrEnum
from typing import NamedTuple

from coupons.ledger.requests import admitted_as_request
from coupons.model import Admission, GateState, IssueRequest, Refusal


class ClaimOutcome(StrEnum):
    """Every outcome of a claim; the label of `coupon_api_claims_total`."""

    ACCEPTED = "accepted"
    """The request is a committed row."""
    REPEATED = "repeated"
    """The request is a committed row; an earlier claim of the same user asked for it."""
    FINAL = "final"
    """The request is final already."""

    NOT_OPEN = Refusal.NOT_OPEN
    CLOSED = Refusal.CLOSED
    PAUSED = Refusal.PAUSED
    SOLD_OUT = Refusal.SOLD_OUT
    NOT_ELIGIBLE = Refusal.NOT_ELIGIBLE
    NOT_YOUR_TURN = Refusal.NOT_YOUR_TURN

    MISSING = GateState.MISSING
    STALE = GateState.STALE
    UNREADABLE = GateState.UNREADABLE

    GATE_UNAVAILABLE = "gate_unavailable"
    """Redis did not answer, or refused: no row was written. The claim may have been admitted."""
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    """Postgres did not take it: nothing was written, and its stock was given back."""
    EPOCH_OVER = "epoch_over"
    """The gate is being rebuilt: nothing was written."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """The connection was lost during the commit; until that is resolved, its stock is reserved."""


class ClaimResult(NamedTuple):
    """request: for ACCEPTED, REPEATED and FINAL; None for every other outcome."""

    outcome: ClaimOutcome
    request: IssueRequest | None = None


def accepted(admission: Admission) -> ClaimResult:
    """The result of an admitted claim whose row is committed."""
    outcome = ClaimOutcome.REPEATED if admission.repeated else ClaimOutcome.ACCEPTED
    return ClaimResult(outcome, admitted_as_request(admission))


def decided_at_gate(decision: IssueRequest | Refusal | GateState) -> ClaimResult:
    """The result of a claim that the gate did not admit."""
    if isinstance(decision, IssueRequest):
        return ClaimResult(ClaimOutcome.FINAL, decision)
    return _WITHOUT_REQUEST[decision]


_WITHOUT_REQUEST: dict[str, ClaimResult] = {
    outcome: ClaimResult(outcome) for outcome in ClaimOutcome
}
