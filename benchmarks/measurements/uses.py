"""Uses of issued coupons a second: a till uses each of many coupons once, as fast as it can."""

from itertools import islice
from typing import NamedTuple

from benchmarks.load.bulk import USERS_BELOW, checkpoint, write_past
from benchmarks.load.claims import generate, use_request
from benchmarks.load.rounds import CONNECTIONS, WARM_UP_SECONDS, Users
from coupons.gate.delays import percentile
from stack.disposable import DisposableStack

FASTEST_PER_SECOND = 8_000
"""Uses prepared for each second: more than any round can make."""
_TILL = 900


class Uses(NamedTuple):
    """Over CONNECTIONS connections, without a pause. Times from request to response."""

    answered: int
    per_s: float
    p50_ms: float
    p99_ms: float


def measure_uses(stack: DisposableStack, rounds: int, seconds: float) -> list[Uses]:
    """Rounds with other coupons each. Raises ValueError when a use is not answered with 200."""
    count = int((WARM_UP_SECONDS + rounds * seconds) * FASTEST_PER_SECOND)
    coupon_id = write_past(stack, count, at_gate=False).coupon_id
    step = USERS_BELOW // 2 // count * 2
    users = iter(range(step, (count + 1) * step, step))
    checkpoint(stack)
    _use(stack, coupon_id, users, WARM_UP_SECONDS)
    return [_use(stack, coupon_id, users, seconds) for _ in range(rounds)]


def _use(stack: DisposableStack, coupon_id: int, users: Users, seconds: float) -> Uses:
    token = stack.token(_TILL, "coupon:redeem")
    used = islice(users, int(seconds * FASTEST_PER_SECOND))
    requests = [use_request(coupon_id, user, token) for user in used]
    result = generate(stack, requests, CONNECTIONS, seconds)
    answered = result.statuses["200"]
    if answered < result.statuses.total():
        raise ValueError(f"not all uses were answered with 200: {dict(result.statuses)}")
    p50, p99 = (percentile(result.latencies_ms, at) or 0.0 for at in (50, 99))
    return Uses(answered, answered / result.seconds, p50, p99)
