"""A request is one tree of spans over all processes, and nothing was carried to make it one."""

from collections.abc import Iterator

import pytest

from coupons.gate import connect_gate
from coupons.ids import request_id_text
from coupons.model import Claim
from coupons.process.tracing import CLAIM, ISSUE, stage_span_id
from coupons.waiting import eventually
from reconciler.tracing import ROLL_FORWARD
from stack.disposable import DisposableStack
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS
from tests.support.collector import Collector, Received, serving

TRACING = ("api", "consumer-1", "reconciler")
PLACES, USERS = 20, range(1, 31)
WITHOUT_ROW = 4711
STAGES = {CLAIM, "gate", "ledger", ISSUE, "mark"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def traced(stack: DisposableStack, collector: Collector) -> Iterator[DisposableStack]:
    """The stack, whose API, consumer and reconciler trace every request.

    The reconciler lets requests wait for as long as it is shipped: with a second, it repairs those
    that a busy machine has not written or marked by then, and its spans are in their trees too.
    """
    stack.stop(*TRACING)
    stack.up({"COUPON_TRACE_ENDPOINT": collector.url, "COUPON_TRACE_SAMPLE_RATIO": "1"})
    yield stack
    stack.stop(*TRACING)
    stack.up()


def test_each_request_is_one_tree_with_all_stages(
    traced: DisposableStack, collector: Collector
) -> None:
    people = People(traced)
    coupon_id = people.create_coupon(total_quantity=PLACES)
    answers = people.claim_all(coupon_id, USERS, threads=10)
    accepted = {user for user, answer in answers if answer.status_code == 202}
    assert len(accepted) == PLACES

    def spans(user: int) -> dict[str, Received]:
        return collector.of(request_id_text(coupon_id, user))

    eventually(lambda: all(spans(user).keys() >= STAGES for user in accepted), FINAL_WITHIN_SECONDS)
    for user in accepted:
        _check_tree(spans(user))
    assert [spans(user) for user in set(USERS) - accepted] == [{}] * (len(USERS) - PLACES)


def test_a_request_that_the_reconciler_wrote_is_below_the_claim_that_is_missing(
    traced: DisposableStack, collector: Collector
) -> None:
    """As after an API that was killed between gate and ledger."""
    coupon_id = People(traced).create_coupon(total_quantity=1)
    gate = connect_gate(traced.environment["COUPON_REDIS_URL"])
    gate.admit([Claim(coupon_id, WITHOUT_ROW)])

    def spans() -> dict[str, Received]:
        return collector.of(request_id_text(coupon_id, WITHOUT_ROW))

    found = {ROLL_FORWARD, ISSUE, "mark"}
    eventually(lambda: spans().keys() == found, FINAL_WITHIN_SECONDS, "spans of the repair")
    rolled, issue, mark = (spans()[name] for name in (ROLL_FORWARD, ISSUE, "mark"))
    assert (rolled.service, issue.service) == ("coupon-reconciler", "coupon-consumer")
    claim = stage_span_id(coupon_id, WITHOUT_ROW, CLAIM)
    assert rolled.parent_id == issue.parent_id == claim
    assert mark.parent_id == issue.span_id
    assert rolled.attributes["repair"] is True


def _check_tree(spans: dict[str, Received]) -> None:
    assert spans.keys() == STAGES
    claim, issue, mark = spans[CLAIM], spans[ISSUE], spans["mark"]
    assert claim.parent_id == 0
    for name in ("gate", "ledger", ISSUE):
        assert spans[name].parent_id == claim.span_id
    assert mark.parent_id == issue.span_id
    assert (claim.service, issue.service) == ("coupon-api", "coupon-consumer")
    assert (claim.attributes["outcome"], issue.attributes["result"]) == ("accepted", "ISSUED")
    assert not any(span.failed for span in spans.values())
    # All on one machine: the order is that of one clock, in milliseconds in Kafka.
    assert claim.start_ns <= spans["gate"].end_ns <= spans["ledger"].start_ns
    assert spans["gate"].start_ns // 1_000_000 <= issue.start_ns // 1_000_000
    assert issue.start_ns <= issue.end_ns <= mark.end_ns
