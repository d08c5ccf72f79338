"""A gate that is thrown away admits nobody, and leaves what is not its own."""

from coupons.gate import Gate
from coupons.gate.removal import remove_all_coupons
from coupons.model import Admission, Claim, GateState
from tests.support.gate import OpenCoupon


def test_a_discarded_gate_admits_nobody_and_opens_at_a_lower_epoch(
    gate: Gate, opened: OpenCoupon
) -> None:
    """A discarded gate admits nobody and can be opened at a lower epoch."""
    opened(coupon_id=7, gate_epoch=9)
    opened(coupon_id=8, total_quantity=5_000)
    gate.admit([Claim(7, 1), Claim(8, 1)])
    gate.client.set("of-somebody-else", "kept")

    assert remove_all_coupons(gate) >= 4
    assert gate.client.keys() == ["of-somebody-else"]
    assert gate.admit([Claim(7, 1)]) == [GateState.MISSING]

    opened(coupon_id=7, gate_epoch=2)
    assert isinstance(gate.admit([Claim(7, 1)])[0], Admission)
