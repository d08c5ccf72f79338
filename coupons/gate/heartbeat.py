"""The newest heartbeat that came through the pipeline, kept in Redis for all who show it.

The key `cdc:freshness` holds when the heartbeat's row was written, in microseconds since 1970. The
consumer that owns the heartbeat partition writes it. The age of the heartbeat is the delay of the
pipeline.
"""

import redis

from coupons.gate.refusals import translated

HEARTBEAT_KEY = "cdc:freshness"


def record_heartbeat(client: redis.Redis, heartbeat_us: int) -> None:
    """Store the time of the newest heartbeat. Raises RedisUnavailable."""
    with translated():
        client.set(HEARTBEAT_KEY, heartbeat_us)


def read_heartbeat(client: redis.Redis) -> int | None:
    """Microseconds since 1970; None: there was never a heartbeat. Raises RedisUnavailable."""
    with translated():
        found = client.get(HEARTBEAT_KEY)
    return None if found is None else int(found)
