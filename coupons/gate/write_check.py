"""Checks that Redis would take the gate's writes. A server that answers PING may not."""

from typing import Any, cast

import redis

from coupons.gate.refusals import GateRefusal, GateRefused, translated

_NO_SUCH_KEY = "coupon:write-check"
_SAFE_POLICY = "noeviction"


def check_takes_writes(client: redis.Redis) -> None:
    """Check in one round trip, without changing anything, that the gate can work on this Redis.

    Raises GateRefused when it refuses writes or may evict keys, RedisUnavailable when it is down.
    """
    pipeline = client.pipeline(transaction=False)
    # The server checks that it may write before it checks the key. The key never exists, so
    # nothing is written.
    pipeline.set(_NO_SUCH_KEY, "", xx=True)
    pipeline.info("memory")
    with translated():
        _, memory = pipeline.execute()
    # Not CONFIG GET, which managed servers forbid.
    policy = cast(dict[str, Any], memory).get("maxmemory_policy", _SAFE_POLICY)
    if policy != _SAFE_POLICY:
        raise GateRefused(GateRefusal.MAY_EVICT, f"it is {policy}")
