"""Spans of claims: the claim itself, and its batch at the gate and in the ledger.

A claim is traced when its answer names a request: accepted now or before, or its outcome unknown.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import time_ns
from typing import NamedTuple

from api.claim_results import ClaimOutcome, ClaimResult
from api.claim_writer import ADMIT, WRITE, measured
from api.write_batcher import NoAnswer
from coupons.model import Claim
from coupons.process.tracing import CLAIM, Span, Tracer, new_span_id, stage_span_id

Submit = Callable[[Claim], "asyncio.Future[ClaimResult]"]

_NAMES = {ADMIT: "gate", WRITE: "ledger"}
_FIRST = (ClaimOutcome.ACCEPTED, ClaimOutcome.OUTCOME_UNKNOWN)
"""Outcomes of a request's first claim: its span is the root of the trace."""
_AGAIN = (ClaimOutcome.REPEATED, ClaimOutcome.FINAL)


class _Step(NamedTuple):
    """What was done for a batch. claims: how many of the batch it was done for."""

    name: str
    start_ns: int
    end_ns: int
    claims: int


class SampledClaim(Claim):
    """A claim whose request is sampled. steps: of its batch, added by the thread that writes it."""

    steps: list[_Step]


class ClaimTracer:
    """Submits claims, and emits the spans of those that are sampled once they are decided."""

    def __init__(self, tracer: Tracer, submit: Submit) -> None:
        self._tracer = tracer
        self._submit = submit

    def submit(self, claim: Claim) -> "asyncio.Future[ClaimResult]":
        """The claim's result, as from the function that it was made with."""
        if not self._tracer.samples(claim.coupon_id, claim.user_id):
            return self._submit(claim)
        sampled = SampledClaim(*claim)
        sampled.steps = []
        arrived_ns = time_ns()
        deciding = self._submit(sampled)
        deciding.add_done_callback(partial(self._decided, sampled, arrived_ns))
        return deciding

    def _decided(
        self, claim: SampledClaim, arrived_ns: int, decided: "asyncio.Future[ClaimResult]"
    ) -> None:
        outcome = _outcome(decided)
        if outcome not in _FIRST and outcome not in _AGAIN:
            return
        root = stage_span_id(claim.coupon_id, claim.user_id, CLAIM)
        own, parent = (root, None) if outcome in _FIRST else (new_span_id(), root)
        for step in claim.steps:
            if step.name == WRITE and outcome is ClaimOutcome.FINAL:
                continue  # others of its batch were written
            self._tracer.emit(
                Span(
                    *claim[:2],
                    _NAMES[step.name],
                    new_span_id(),
                    own,
                    step.start_ns,
                    step.end_ns,
                    {"claims": step.claims},
                )
            )
        unknown = outcome is ClaimOutcome.OUTCOME_UNKNOWN
        about = {"outcome": str(outcome)}
        self._tracer.emit(
            Span(*claim[:2], CLAIM, own, parent, arrived_ns, time_ns(), about, failed=unknown)
        )


def _outcome(decided: "asyncio.Future[ClaimResult]") -> ClaimOutcome | None:
    """None: nothing was accepted, or the batch failed."""
    if decided.cancelled():
        return None
    error = decided.exception()
    if error is None:
        return decided.result().outcome
    return ClaimOutcome.OUTCOME_UNKNOWN if isinstance(error, NoAnswer) else None


@contextmanager
def noted(step: str, claims: Sequence[Claim], concerned: int) -> Iterator[None]:
    """Measures a step as `measured` does, and adds it to the sampled claims of the batch."""
    start_ns = time_ns()
    try:
        with measured(step, claims, concerned):
            yield
    finally:
        done = _Step(step, start_ns, time_ns(), concerned)
        for claim in claims:
            if isinstance(claim, SampledClaim):
                claim.steps.append(done)
