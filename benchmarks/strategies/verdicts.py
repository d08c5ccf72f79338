"""Verdicts of a batch of claims, from the gate's decisions."""

from collections.abc import Sequence

from api.claims import Accepted, ClaimFailure, Verdict
from coupons.gate import Decision
from coupons.ledger.requests import admitted_as_request
from coupons.model import Admission


def admissions_of(decisions: Sequence[Decision]) -> list[Admission]:
    """The decisions that admit."""
    return [decision for decision in decisions if isinstance(decision, Admission)]


def verdicts(decisions: Sequence[Decision], failure: ClaimFailure | None = None) -> list[Verdict]:
    """Accepted for each admission, or `failure` for each; refusals stay as they are."""
    return [
        decision
        if not isinstance(decision, Admission)
        else failure or Accepted(admitted_as_request(decision), decision.repeated)
        for decision in decisions
    ]
