"""Claims become issue requests, a batch at a time: admitted at the gate, then written."""

import logging
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from api.ledger_connections import LedgerConnections
from api.metrics import (
    API_BATCH_CLAIMS,
    API_BATCH_DURATION,
    API_CLAIMS,
    API_COMPENSATIONS,
    API_UNKNOWN_OUTCOMES,
)
from coupons.errors import GateUnavailable, LedgerUnavailable, OutcomeUnknown
from coupons.gate import Decision, Gate
from coupons.ledger.requests import accept_requests, admitted_as_request
from coupons.model import Admission, Claim, GateState, IssueRequest, Refusal
from coupons.waiting import attempts

log = logging.getLogger(__name__)

PAUSE_BETWEEN_ATTEMPTS_SECONDS = 0.05


class ClaimFailure(StrEnum):
    """Why a claim that could have been accepted is not known to be."""

    GATE_UNAVAILABLE = "gate_unavailable"
    """Redis did not answer, or refused: nothing was written."""
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    """Postgres did not take it: definitely not written, its place was given back."""
    EPOCH_OVER = "epoch_over"
    """The gate is being rebuilt: definitely not written."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """The connection was lost while committing: it keeps its place and will be settled."""


class Accepted(NamedTuple):
    """The request is a committed row. repeated: somebody tried to write it before."""

    request: IssueRequest
    repeated: bool


Verdict = Accepted | IssueRequest | Refusal | GateState | ClaimFailure
"""On a claim: accepted, final already, refused, gate closed for its coupon, or trouble."""


class ClaimWriter:
    """Decides batches of claims. Safe to share between threads.

    unknown_outcome_seconds: how long a write whose outcome is unknown is repeated.
    """

    def __init__(
        self, gate: Gate, connections: LedgerConnections, unknown_outcome_seconds: float
    ) -> None:
        self._gate = gate
        self._connections = connections
        self._unknown_outcome_seconds = unknown_outcome_seconds

    def write(self, claims: Sequence[Claim]) -> list[Verdict]:
        """A verdict for each claim; on return everything accepted is committed."""
        verdicts = self._decide(claims)
        API_BATCH_CLAIMS.observe(len(claims))
        for outcome, count in Counter(map(_outcome, verdicts)).items():
            API_CLAIMS.labels(outcome).inc(count)
        return verdicts

    def _decide(self, claims: Sequence[Claim]) -> list[Verdict]:
        try:
            with API_BATCH_DURATION.labels("admit").time():
                decisions = self._gate.admit(claims)
        except GateUnavailable as error:
            log.warning("%s; %d claims answered with 503", error, len(claims))
            return [ClaimFailure.GATE_UNAVAILABLE] * len(claims)
        admissions = [decision for decision in decisions if isinstance(decision, Admission)]
        if not admissions:
            return [_verdict(decision, set(), ClaimFailure.EPOCH_OVER) for decision in decisions]
        with API_BATCH_DURATION.labels("write").time():
            accepted, otherwise = self._accept(admissions)
        return [_verdict(decision, accepted, otherwise) for decision in decisions]

    def _accept(self, admissions: Sequence[Admission]) -> tuple[set[int], ClaimFailure]:
        """The coupons whose claims are committed, and what befell the claims of the others."""
        try:
            with self._connections.lend() as connection:
                accepted = accept_requests(connection, admissions)
        except OutcomeUnknown as error:
            log.warning("%s; writing %d claims again", error, len(admissions))
            API_UNKNOWN_OUTCOMES.inc()
            return self._accept_again(admissions), ClaimFailure.OUTCOME_UNKNOWN
        except LedgerUnavailable as error:
            log.warning("%s; %d claims not written", error, len(admissions))
            self._give_back(admissions)
            return set(), ClaimFailure.LEDGER_UNAVAILABLE
        if any(admission.coupon_id not in accepted for admission in admissions):
            self._give_back([each for each in admissions if each.coupon_id not in accepted])
        return accepted, ClaimFailure.EPOCH_OVER

    def _accept_again(self, admissions: Sequence[Admission]) -> set[int]:
        """Repeat a write whose outcome is unknown until it is known or the time is over.

        Whatever fails here, no place is given back: the first attempt may have been committed.
        """
        for _ in attempts(self._unknown_outcome_seconds, PAUSE_BETWEEN_ATTEMPTS_SECONDS):
            try:
                with self._connections.lend() as connection:
                    return accept_requests(connection, admissions)
            except LedgerUnavailable as error:
                log.info("%s; not settled yet", error)
        log.error("the outcome of %d claims stays unknown: to be reconciled", len(admissions))
        return set()

    def _give_back(self, admissions: Sequence[Admission]) -> None:
        """Compensate, as well as it can be done now; what cannot is left to the reconciler."""
        first_attempts = [admission for admission in admissions if not admission.repeated]
        try:
            API_COMPENSATIONS.inc(self._gate.compensate(first_attempts))
        except GateUnavailable as error:
            log.warning("%s; %d places to be reconciled", error, len(first_attempts))


def _verdict(decision: Decision, accepted: set[int], otherwise: ClaimFailure) -> Verdict:
    if not isinstance(decision, Admission):
        return decision
    if decision.coupon_id in accepted:
        return Accepted(admitted_as_request(decision), decision.repeated)
    return otherwise


def _outcome(verdict: Verdict) -> str:
    if isinstance(verdict, Accepted):
        return "repeated" if verdict.repeated else "accepted"
    return "final" if isinstance(verdict, IssueRequest) else str(verdict)
