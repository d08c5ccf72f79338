"""How far the requests of a coupon have come at the gate, seen from one that is not final."""

from typing import NamedTuple

from coupons.errors import KeysUnreadable
from coupons.gate.gate import Gate
from coupons.gate.scripts import Call, run_scripts
from coupons.gate.values import coupon_key


class Progress(NamedTuple):
    """final: how many requests of the coupon are marked as final in this epoch.

    ahead: how many were admitted before this one and are not marked; None: it is not pending.
    """

    epoch: int
    final: int
    ahead: int | None


def read_progress(gate: Gate, coupon_id: int, user_id: int) -> Progress | None:
    """One call, whose cost does not depend on how many wait, but for a logarithm.

    None: the gate is unavailable for the coupon. Raises RedisUnavailable.
    """
    call = Call("progress", coupon_key(coupon_id), [user_id])
    [answer] = run_scripts(gate.client, [call])
    if isinstance(answer, str):
        return None
    try:
        epoch, final, ahead = map(int, answer)
    except (TypeError, ValueError) as error:
        raise KeysUnreadable(f"the counts of coupon {coupon_id} cannot be read") from error
    return Progress(epoch, final, None if ahead < 0 else ahead)
