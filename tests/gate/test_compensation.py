"""A place is given back only when the row definitely does not exist, and only once."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from coupons.gate import Gate, open_coupon
from coupons.model import Admission, Claim, IssueRequest, Refusal, Status
from tests.support.gate import OpenCoupon


def _admit(gate: Gate, user_id: int) -> Admission:
    [admission] = gate.admit([Claim(7, user_id)])
    assert isinstance(admission, Admission)
    return admission


def test_a_place_given_back_goes_to_the_next_user(gate: Gate, opened: OpenCoupon) -> None:
    opened(total_quantity=1)
    first = _admit(gate, 1)
    assert gate.admit([Claim(7, 2)]) == [Refusal.SOLD_OUT]
    assert gate.compensate([first]) == 1
    assert _admit(gate, 2)


def test_a_user_whose_place_was_given_back_may_claim_again(gate: Gate, opened: OpenCoupon) -> None:
    opened()
    gate.compensate([_admit(gate, 1)])
    assert _admit(gate, 1).repeated is False


def test_giving_a_place_back_twice_gives_it_back_once(gate: Gate, opened: OpenCoupon) -> None:
    opened(total_quantity=2)
    first = _admit(gate, 1)
    assert gate.compensate([first]) == 1
    assert gate.compensate([first]) == 0
    figures = gate.figures([7])[0]
    assert figures is not None
    assert (figures.places_left, figures.compensated) == (2, 1)


def test_a_claim_that_was_tried_again_keeps_its_place(gate: Gate, opened: OpenCoupon) -> None:
    opened(total_quantity=1)
    first = _admit(gate, 1)
    again = _admit(gate, 1)
    assert again.repeated
    assert gate.compensate([first, again]) == 0
    assert gate.admit([Claim(7, 2)]) == [Refusal.SOLD_OUT]


def test_a_late_compensation_does_not_touch_the_users_next_admission(
    gate: Gate, opened: OpenCoupon
) -> None:
    opened(total_quantity=1)
    first = _admit(gate, 1)
    gate.compensate([first])
    second = _admit(gate, 1)
    assert second.requested_at_us > first.requested_at_us
    assert gate.compensate([first]) == 0


def test_a_final_request_is_never_compensated(gate: Gate, opened: OpenCoupon) -> None:
    opened(total_quantity=1)
    first = _admit(gate, 1)
    gate.settle([IssueRequest(7, 1, first.requested_at_us, Status.ISSUED)])
    assert gate.compensate([first]) == 0
    assert gate.admit([Claim(7, 2)]) == [Refusal.SOLD_OUT]


def test_a_place_of_an_epoch_that_is_over_is_not_counted_as_given_back(
    gate: Gate, opened: OpenCoupon
) -> None:
    """Also where a rebuild that ended in the middle has left that epoch's keys behind."""
    coupon = opened()
    [admission] = gate.admit([Claim(7, 1)])
    assert isinstance(admission, Admission)

    def interrupted() -> Iterator[IssueRequest]:
        raise ConnectionError
        yield

    with pytest.raises(ConnectionError):
        open_coupon(gate, replace(coupon, gate_epoch=2), interrupted())
    assert open_coupon(gate, replace(coupon, gate_epoch=3))
    assert gate.compensate([admission]) == 0
    [figures] = gate.figures([7])
    assert figures is not None
    assert (figures.admitted, figures.compensated) == (0, 0)
