"""From the gate's decisions to the answers of a batch."""

from collections.abc import Sequence

from api.claims import Accepted, ClaimFailure, Verdict
from coupons.gate import Decision
from coupons.ledger.requests import admitted_as_request
from coupons.model import Admission


def admissions_of(decisions: Sequence[Decision]) -> list[Admission]:
    """The admitted ones."""
    return [decision for decision in decisions if isinstance(decision, Admission)]


def answers(decisions: Sequence[Decision], trouble: ClaimFailure | None = None) -> list[Verdict]:
    """What is answered when all that was admitted is kept, or, with a trouble, nothing of it."""
    return [
        decision
        if not isinstance(decision, Admission)
        else trouble or Accepted(admitted_as_request(decision), decision.repeated)
        for decision in decisions
    ]
