"""A ceiling of the gate is one of claims that were admitted."""

import time

import pytest

from benchmarks.load.callers import GATE, Job, call_side_by_side, run
from coupons.gate import Gate
from tests.support.gate import OpenCoupon

COUPONS = [7, 8]


def test_every_claim_that_a_caller_counts_was_admitted(
    gate: Gate, opened: OpenCoupon, valkey_url: str
) -> None:
    for coupon_id in COUPONS:
        opened(coupon_id=coupon_id, total_quantity=1_000_000)
    found = call_side_by_side(GATE, valkey_url, COUPONS, 10, 2, 1, 1.0)
    admitted = sum(each.admitted for each in gate.figures(COUPONS) if each)
    # Each caller's first batch is not counted: it connects.
    assert admitted == sum(each.items + 10 for each in found)
    assert all(each.items and each.processor_s > 0 for each in found)


def test_a_claim_that_is_not_admitted_ends_the_measurement(
    opened: OpenCoupon, valkey_url: str
) -> None:
    opened(coupon_id=7, total_quantity=5)
    with pytest.raises(RuntimeError, match="did not admit"):
        run(Job(GATE, valkey_url, [7], 10, 1, 1, time.time(), 0.1))
