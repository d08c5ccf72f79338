"""From the gate's decisions to the answers of a batch."""

from collections.abc import Sequence

from api.claim_results import ClaimOutcome, ClaimResult, accepted, decided_at_gate
from coupons.gate import Decision
from coupons.model import Admission


def admissions_of(decisions: Sequence[Decision]) -> list[Admission]:
    """The admitted ones."""
    return [decision for decision in decisions if isinstance(decision, Admission)]


def answers(
    decisions: Sequence[Decision], failure: ClaimOutcome | None = None
) -> list[ClaimResult]:
    """The results when all that was admitted is kept, or, with a failure, nothing of it."""
    return [
        decided_at_gate(decision)
        if not isinstance(decision, Admission)
        else ClaimResult(failure)
        if failure
        else accepted(decision)
        for decision in decisions
    ]
