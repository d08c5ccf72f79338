"""Which claims are traced, by their results: those whose answer names a request."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from api.claim_results import ClaimOutcome, ClaimResult
from api.claim_writer import ADMIT, WRITE
from api.tracing import ClaimTracer, noted
from api.write_batcher import NoAnswer, NotReached
from coupons.model import Claim
from coupons.process.tracing import CLAIM, Span, Tracer, stage_span_id

CLAIMED = Claim(5000, 4711, ("students",))
TRACED = {
    ClaimOutcome.ACCEPTED,
    ClaimOutcome.REPEATED,
    ClaimOutcome.FINAL,
    ClaimOutcome.OUTCOME_UNKNOWN,
}


class Kept:
    """In place of a tracer: samples everything and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.emit = self.spans.append

    def samples(self, coupon_id: int, user_id: int) -> bool:
        return True


def decided(finish: Callable[["asyncio.Future[ClaimResult]"], object]) -> list[Span]:
    """The spans of one claim whose batch was admitted and written, by how its future ended."""
    kept = Kept()

    async def claim() -> None:
        future: asyncio.Future[ClaimResult] = asyncio.get_running_loop().create_future()

        def submit(claim: Claim) -> "asyncio.Future[ClaimResult]":
            assert claim == CLAIMED
            for step in (ADMIT, WRITE):
                with noted(step, [claim, Claim(5000, 1)], 2):
                    pass
            return future

        ClaimTracer(cast(Tracer, kept), submit).submit(CLAIMED)
        finish(future)
        await asyncio.wait([future])

    asyncio.run(claim())
    return kept.spans


@pytest.mark.parametrize("outcome", ClaimOutcome)
def test_a_claim_is_traced_if_its_answer_names_a_request(outcome: ClaimOutcome) -> None:
    spans = decided(lambda future: future.set_result(ClaimResult(outcome)))
    assert bool(spans) == (outcome in TRACED)


def test_a_claim_that_was_final_already_was_not_written_with_its_batch() -> None:
    result = ClaimResult(ClaimOutcome.FINAL)
    names = [span.name for span in decided(lambda future: future.set_result(result))]
    assert names == ["gate", CLAIM]


def test_a_claim_without_an_answer_in_time_failed_and_is_the_root() -> None:
    [*_, claim] = decided(lambda future: future.set_exception(NoAnswer()))
    assert claim.failed
    assert claim.attributes == {"outcome": "outcome_unknown"}
    assert (claim.span_id, claim.parent_id) == (stage_span_id(5000, 4711, CLAIM), None)


@pytest.mark.parametrize("error", [NotReached(), RuntimeError("the batch failed")])
def test_a_claim_whose_batch_failed_is_not_traced(error: Exception) -> None:
    assert decided(lambda future: future.set_exception(error)) == []


def test_a_claim_that_is_given_up_is_not_traced(caplog: pytest.LogCaptureFixture) -> None:
    assert decided(lambda future: future.cancel()) == []
    assert caplog.records == []
