"""Whether Redis would take what the gate writes. A server that answers PING may not."""

from typing import Any, cast

import redis

from coupons.gate.refusals import GateRefusal, GateRefused, translated

_NO_SUCH_KEY = "coupon:write-check"
_SAFE_POLICY = "noeviction"


def check_serving(client: redis.Redis) -> None:
    """Ask Redis, in one round trip and without changing anything, whether the gate can work on it.

    Raises GateRefused when it refuses writes or may evict keys, GateUnavailable when it is away.
    """
    pipeline = client.pipeline(transaction=False)
    # A write like any other to the server, which looks whether it takes one before it looks for
    # the key; and the key is never there, so that nothing is written.
    pipeline.set(_NO_SUCH_KEY, "", xx=True)
    pipeline.info("memory")
    with translated():
        _, memory = pipeline.execute()
    # Not CONFIG GET, which managed servers forbid.
    policy = cast(dict[str, Any], memory).get("maxmemory_policy", _SAFE_POLICY)
    if policy != _SAFE_POLICY:
        raise GateRefused(GateRefusal.MAY_EVICT, f"it is {policy}")
