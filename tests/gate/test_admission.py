"""What the gate admits and what it refuses, one claim at a time and in batches."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from coupons.gate import Gate
from coupons.model import (
    Admission,
    Claim,
    CouponState,
    GateState,
    IssueRequest,
    Refusal,
    Status,
)
from tests.support.gate import OpenCoupon

HOUR = timedelta(hours=1)


def test_as_many_claims_are_admitted_as_there_are_places(gate: Gate, opened: OpenCoupon) -> None:
    opened(total_quantity=3)
    decisions = gate.admit([Claim(7, user) for user in range(1, 6)])
    assert [type(decision) for decision in decisions[:3]] == [Admission] * 3
    assert decisions[3:] == [Refusal.SOLD_OUT] * 2


def test_a_batch_over_several_coupons_answers_in_the_order_of_its_claims(
    gate: Gate, opened: OpenCoupon
) -> None:
    opened(coupon_id=7, total_quantity=1)
    opened(coupon_id=8, total_quantity=1)
    claims = [Claim(7, 1), Claim(8, 2), Claim(7, 3), Claim(9, 4), Claim(8, 2)]
    first, second, third, unknown, again = gate.admit(claims)
    assert isinstance(first, Admission)
    assert (first.coupon_id, first.user_id) == (7, 1)
    assert isinstance(second, Admission)
    assert (second.coupon_id, second.user_id) == (8, 2)
    assert third is Refusal.SOLD_OUT
    assert unknown is GateState.MISSING
    assert again == second._replace(repeated=True)


def test_a_second_claim_by_the_same_user_is_the_first_ones_request(
    gate: Gate, opened: OpenCoupon
) -> None:
    opened(total_quantity=1)
    [first] = gate.admit([Claim(7, 1)])
    [again] = gate.admit([Claim(7, 1)])
    assert isinstance(first, Admission)
    assert again == first._replace(repeated=True)
    gate.settle([IssueRequest(7, 1, first.requested_at_us, Status.ISSUED)])
    assert gate.admit([Claim(7, 1)]) == [IssueRequest(7, 1, first.requested_at_us, Status.ISSUED)]


def test_a_rejected_request_stays_rejected_and_holds_no_place(
    gate: Gate, opened: OpenCoupon
) -> None:
    opened(total_quantity=1)
    [first] = gate.admit([Claim(7, 1)])
    assert isinstance(first, Admission)
    rejected = IssueRequest(7, 1, first.requested_at_us, Status.REJECTED, "sold_out")
    gate.settle([rejected])
    assert gate.admit([Claim(7, 1)]) == [rejected]
    assert isinstance(gate.admit([Claim(7, 2)])[0], Admission)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"issue_starts_at": datetime.now(UTC) + HOUR}, Refusal.NOT_OPEN),
        ({"issue_ends_at": datetime.now(UTC) - HOUR / 2}, Refusal.CLOSED),
        ({"state": CouponState.PAUSED}, Refusal.PAUSED),
        ({"state": CouponState.CLOSED}, Refusal.CLOSED),
        ({"eligible_group": "gold"}, Refusal.NOT_ELIGIBLE),
    ],
)
def test_a_refusal_says_its_reason(
    gate: Gate, opened: OpenCoupon, changes: dict[str, object], refusal: Refusal
) -> None:
    opened(**changes)
    assert gate.admit([Claim(7, 1)]) == [refusal]


def test_a_claim_needs_exactly_the_group_that_the_coupon_asks_for(
    gate: Gate, opened: OpenCoupon
) -> None:
    opened(eligible_group="gold")
    claims = [Claim(7, 1, ("silver", "gold")), Claim(7, 2, ("golden",)), Claim(7, 3)]
    admitted, *refused = gate.admit(claims)
    assert isinstance(admitted, Admission)
    assert refused == [Refusal.NOT_ELIGIBLE] * 2


def test_ids_of_64_bits_are_told_apart(gate: Gate, opened: OpenCoupon) -> None:
    opened(total_quantity=10)
    users = [2**63 - 1, 2**63 - 2, 2**53, 2**53 + 1]
    decisions = gate.admit([Claim(7, user) for user in users])
    gate.settle(
        IssueRequest(7, d.user_id, d.requested_at_us, Status.ISSUED)
        for d in decisions[::2]
        if isinstance(d, Admission)
    )
    read = gate.read(7, users)
    assert not isinstance(read, GateState)
    assert [request and request.status for request in read] == [
        Status.ISSUED,
        Status.REQUESTED,
        Status.ISSUED,
        Status.REQUESTED,
    ]


def test_a_change_of_the_coupon_is_taken_over_but_never_an_older_one(
    gate: Gate, opened: OpenCoupon
) -> None:
    coupon = opened(total_quantity=1, version=5)
    assert gate.define(replace(coupon, version=7, total_quantity=2))
    assert not gate.define(replace(coupon, version=6, total_quantity=9))
    decisions = gate.admit([Claim(7, 1), Claim(7, 2), Claim(7, 3)])
    assert decisions[2] is Refusal.SOLD_OUT


def test_a_closed_coupon_still_answers_for_the_requests_it_has(
    gate: Gate, opened: OpenCoupon
) -> None:
    coupon = opened()
    [first] = gate.admit([Claim(7, 1)])
    assert isinstance(first, Admission)
    gate.define(replace(coupon, version=2, state=CouponState.CLOSED))
    assert gate.admit([Claim(7, 1), Claim(7, 2)]) == [
        first._replace(repeated=True),
        Refusal.CLOSED,
    ]
