"""Marks: repeated without harm, told to those who wait, and kept compact."""

import redis

from coupons.gate import Gate
from coupons.gate.scan import scan_requests
from coupons.gate.values import MOST_SHARDS, PEOPLE_PER_SHARD, SETTLED_CHANNEL, parse_settled
from coupons.model import Claim, GateState, IssueRequest, Status
from coupons.waiting import eventually
from tests.support.gate import OpenCoupon

ISSUED = IssueRequest(7, 1, 1_795_360_000_000_001, Status.ISSUED)
REJECTED = IssueRequest(7, 2, 1_795_360_000_000_002, Status.REJECTED, "sold_out")


def test_a_replayed_mark_counts_once(gate: Gate, opened: OpenCoupon) -> None:
    opened(total_quantity=3)
    assert gate.settle([ISSUED, REJECTED]) == 2
    assert gate.settle([ISSUED, REJECTED]) == 0
    figures = gate.figures([7])[0]
    assert figures is not None
    assert (figures.issued, figures.rejected, figures.places_left) == (1, 1, 2)


def test_a_request_that_the_gate_forgot_takes_its_place_when_it_is_issued(
    gate: Gate, opened: OpenCoupon
) -> None:
    opened(total_quantity=1)
    gate.settle([ISSUED])
    figures = gate.figures([7])[0]
    assert figures is not None
    assert figures.places_left == 0


def test_a_coupon_that_the_gate_does_not_have_is_passed_over(
    gate: Gate, opened: OpenCoupon
) -> None:
    opened()
    elsewhere = ISSUED._replace(coupon_id=9)
    assert gate.settle([ISSUED, elsewhere]) == 1
    assert gate.read(9, [1]) is GateState.MISSING


def test_those_who_wait_are_told_the_outcome(
    gate: Gate, opened: OpenCoupon, valkey_url: str
) -> None:
    opened()
    with redis.Redis.from_url(valkey_url, decode_responses=True).pubsub() as subscriber:  # type: ignore[no-untyped-call]
        subscriber.subscribe(SETTLED_CHANNEL)
        eventually(lambda: subscriber.get_message(timeout=0.1), what="subscribed")
        gate.settle([ISSUED, REJECTED])
        message = eventually(lambda: subscriber.get_message(timeout=0.1), what="told")
    assert parse_settled(message["data"]) == [ISSUED, REJECTED]


def test_settled_users_stay_in_compact_lists(gate: Gate, opened: OpenCoupon) -> None:
    users = range(1, PEOPLE_PER_SHARD * 20)
    opened(total_quantity=len(users))
    gate.settle(IssueRequest(7, user, ISSUED.requested_at_us, Status.ISSUED) for user in users)
    encodings = {
        gate.client.object("encoding", key) for key in gate.client.keys("coupon:*:settled:*")
    }
    assert encodings == {"listpack"}


def test_pending_requests_are_found_oldest_first(gate: Gate, opened: OpenCoupon) -> None:
    opened(total_quantity=3)
    first, _, third = (gate.admit([Claim(7, user)])[0] for user in (5, 3, 4))
    found = gate.pending_before(7, third.requested_at_us, limit=2)  # type: ignore[union-attr]
    assert [request.user_id for request in found] == [5, 3]
    assert found[0].requested_at_us == first.requested_at_us  # type: ignore[union-attr]
    assert gate.pending_before(7, first.requested_at_us - 1, limit=2) == []  # type: ignore[union-attr]


def test_a_coupon_that_never_sells_out_has_a_bounded_number_of_shards(
    gate: Gate, opened: OpenCoupon
) -> None:
    """A coupon that never sells out has no more shards than can be gone through."""
    opened(total_quantity=1_000_000_000)
    gate.settle([ISSUED, REJECTED])
    figures = gate.figures([7])[0]
    assert figures is not None
    assert figures.shards == MOST_SHARDS
    found = [request for group in scan_requests(gate, 7, figures) for request in group]
    assert sorted(found) == [ISSUED, REJECTED]
