"""Claims become issue requests, a batch at a time: admitted at the gate, then written."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from api.claim_results import ClaimOutcome, ClaimResult, accepted, decided_at_gate
from api.ledger_connections import LedgerConnections
from api.metrics import (
    API_BATCH_CLAIMS,
    API_BATCH_DURATION,
    API_CLAIMS,
    API_COMPENSATIONS,
    API_UNKNOWN_OUTCOMES,
)
from coupons.errors import LedgerUnavailable, OutcomeUnknown, RedisUnavailable
from coupons.gate import Decision, Gate
from coupons.ledger.requests import accept_requests
from coupons.model import Admission, Claim
from coupons.process.logging import log_requests
from coupons.waiting import attempts

log = logging.getLogger(__name__)

PAUSE_BETWEEN_ATTEMPTS_SECONDS = 0.05

ADMIT, WRITE = "admit", "write"
"""The steps of a batch."""

Measure = Callable[[str, Sequence[Claim], int], AbstractContextManager[object]]
"""Measures a step of a batch of claims, and takes how many of them it is done for."""


def measured(
    step: str, _claims: Sequence[Claim], _concerned: int
) -> AbstractContextManager[object]:
    """Observes how long a step takes."""
    return API_BATCH_DURATION.labels(step).time()


class ClaimWriter:
    """Decides batches of claims. Safe to share between threads.

    unknown_outcome_seconds: how long a write whose outcome is unknown is repeated.
    """

    def __init__(
        self,
        gate: Gate,
        connections: LedgerConnections,
        unknown_outcome_seconds: float,
        measure: Measure = measured,
    ) -> None:
        self._gate = gate
        self._connections = connections
        self._unknown_outcome_seconds = unknown_outcome_seconds
        self._measure = measure

    def write(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """One result for each claim; on return everything accepted is committed."""
        results = self._decide(claims)
        API_BATCH_CLAIMS.observe(len(claims))
        for outcome, count in Counter(result.outcome for result in results).items():
            API_CLAIMS.labels(outcome).inc(count)
        return results

    def _decide(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        try:
            with self._measure(ADMIT, claims, len(claims)):
                decisions = self._gate.admit(claims)
        except RedisUnavailable as error:
            log.warning("%s; %d claims answered with 503", error, len(claims))
            return [ClaimResult(ClaimOutcome.GATE_UNAVAILABLE)] * len(claims)
        admissions = [decision for decision in decisions if isinstance(decision, Admission)]
        written: set[int] = set()
        failed = ClaimResult(ClaimOutcome.EPOCH_OVER)
        if admissions:
            with self._measure(WRITE, claims, len(admissions)):
                written, failed = self._accept(admissions)
            log_requests("accepted", (at[:2] for at in admissions if at.coupon_id in written))
        return [_result(decision, written, failed) for decision in decisions]

    def _accept(self, admissions: Sequence[Admission]) -> tuple[set[int], ClaimResult]:
        """The coupons whose claims are committed, and the result of all other claims."""
        try:
            with self._connections.lend() as connection:
                written = accept_requests(connection, admissions)
        except OutcomeUnknown as error:
            log.warning("%s; writing %d claims again", error, len(admissions))
            API_UNKNOWN_OUTCOMES.inc()
            return self._accept_again(admissions), ClaimResult(ClaimOutcome.OUTCOME_UNKNOWN)
        except LedgerUnavailable as error:
            log.warning("%s; %d claims not written", error, len(admissions))
            self._give_back(admissions)
            return set(), ClaimResult(ClaimOutcome.LEDGER_UNAVAILABLE)
        if any(admission.coupon_id not in written for admission in admissions):
            self._give_back([each for each in admissions if each.coupon_id not in written])
        return written, ClaimResult(ClaimOutcome.EPOCH_OVER)

    def _accept_again(self, admissions: Sequence[Admission]) -> set[int]:
        """Repeat a write whose outcome is unknown, until it is known or the time is over.

        Whatever fails here, no stock is given back: the first attempt may have been committed.
        """
        for _ in attempts(self._unknown_outcome_seconds, PAUSE_BETWEEN_ATTEMPTS_SECONDS):
            try:
                with self._connections.lend() as connection:
                    return accept_requests(connection, admissions)
            except LedgerUnavailable as error:
                log.info("%s; not resolved yet", error)
        log.error(
            "the outcome of %d claims stays unknown; the reconciler will resolve them",
            len(admissions),
        )
        log_requests("outcome unknown", (at[:2] for at in admissions), logging.ERROR)
        return set()

    def _give_back(self, admissions: Sequence[Admission]) -> None:
        """Compensate as far as possible now; the reconciler does the rest."""
        first_attempts = [admission for admission in admissions if not admission.repeated]
        log_requests(
            "not accepted: stock given back", (at[:2] for at in first_attempts), logging.WARNING
        )
        try:
            API_COMPENSATIONS.inc(self._gate.compensate(first_attempts))
        except RedisUnavailable as error:
            log.warning("%s; the reconciler will resolve %d admissions", error, len(first_attempts))


def _result(decision: Decision, written: set[int], failed: ClaimResult) -> ClaimResult:
    """The result of one claim. written: the coupons whose claims are committed.

    failed: the result of an admitted claim of any other coupon.
    """
    if not isinstance(decision, Admission):
        return decided_at_gate(decision)
    return accepted(decision) if decision.coupon_id in written else failed
