"""The standby list at the gate: the first in line are admitted, while there is stock."""

from collections.abc import Sequence

from coupons.gate.gate import Decision, Gate, read_decisions
from coupons.gate.scripts import Call
from coupons.gate.values import coupon_key, read_unavailable
from coupons.model import Claim, GateState


def promote_at_gate(
    gate: Gate, coupon_id: int, user_ids: Sequence[int], total: int, until_us: int
) -> list[Decision] | GateState:
    """Admit these users in their order, as claims; SOLD_OUT once nothing is left.

    NOT_ELIGIBLE: who is not on the list that the coupon is open to.

    total: the coupon's, as the ledger has it. until_us: nobody is admitted after this time of the
    gate's clock. GateState: the gate is unavailable for the coupon. Repeating it is harmless.
    Raises RedisUnavailable; then some may be admitted.
    """
    users = " ".join(map(str, user_ids))
    call = Call("promote", coupon_key(coupon_id), [users, total, until_us])
    [text] = gate.try_calls([coupon_id], [call])
    state = read_unavailable(text)
    if state is not None:
        return state
    return read_decisions([Claim(coupon_id, user_id) for user_id in user_ids], text)
