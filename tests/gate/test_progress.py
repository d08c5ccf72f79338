"""How many are before a request, and how many are final: counted by the gate."""

import pytest

from coupons.errors import RedisUnavailable
from coupons.gate import Gate
from coupons.gate.progress import Progress, read_progress
from coupons.gate.values import coupon_key
from coupons.model import Admission, Claim, IssueRequest, Status
from tests.support.gate import OpenCoupon


def admit(gate: Gate, *user_ids: int) -> None:
    for user_id in user_ids:
        [decision] = gate.admit([Claim(7, user_id)])
        assert isinstance(decision, Admission)


def test_who_was_admitted_before_and_is_not_final_is_ahead(gate: Gate, opened: OpenCoupon) -> None:
    opened(total_quantity=100)
    admit(gate, 30, 20, 10, 40)
    assert [read_progress(gate, 7, user) for user in (30, 20, 10, 40)] == [
        Progress(1, 0, ahead) for ahead in range(4)
    ]
    gate.settle(
        [
            IssueRequest(7, 20, 1, Status.ISSUED),
            IssueRequest(7, 40, 1, Status.REJECTED, "sold_out"),
        ]
    )
    assert read_progress(gate, 7, 10) == Progress(1, 2, 1)
    assert read_progress(gate, 7, 20) == Progress(1, 2, None)


def test_an_unavailable_gate_says_nothing(gate: Gate, opened: OpenCoupon) -> None:
    assert read_progress(gate, 999, 1) is None
    opened()
    admit(gate, 1)
    gate.client.hset(coupon_key(7), "opened_under", "another server")
    assert read_progress(gate, 7, 1) is None
    gate.client.set(coupon_key(8), "no hash")
    with pytest.raises(RedisUnavailable):
        read_progress(gate, 8, 1)
