"""From the decisions of the gate to the results of a batch."""

from collections.abc import Sequence

from api.claim_results import ClaimOutcome, ClaimResult, accepted, decided_at_gate
from coupons.gate import Decision
from coupons.model import Admission


def admissions_of(decisions: Sequence[Decision]) -> list[Admission]:
    """The admitted ones."""
    return [decision for decision in decisions if isinstance(decision, Admission)]


def results(
    decisions: Sequence[Decision], failure: ClaimOutcome | None = None
) -> list[ClaimResult]:
    """Accepted for each admission, or `failure` for each; refusals stay as they are."""
    return [
        decided_at_gate(decision)
        if not isinstance(decision, Admission)
        else ClaimResult(failure)
        if failure
        else accepted(decision)
        for decision in decisions
    ]
