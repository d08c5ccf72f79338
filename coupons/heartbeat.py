"""The newest heartbeat that came through the pipeline, kept in Redis for whoever shows it.

Key `cdc:freshness` holds when the heartbeat's row was written, in microseconds since 1970. The
consumer that owns the heartbeat partition writes it; the pipeline's delay is now minus this.
"""

import redis

from coupons.gate.refusals import translated

HEARTBEAT_KEY = "cdc:freshness"


def record_heartbeat(client: redis.Redis, heartbeat_us: int) -> None:
    """Keep the time of the newest heartbeat seen. Raises GateUnavailable."""
    with translated():
        client.set(HEARTBEAT_KEY, heartbeat_us)


def read_heartbeat(client: redis.Redis) -> int | None:
    """Microseconds since 1970; None when none was ever seen. Raises GateUnavailable."""
    with translated():
        found = client.get(HEARTBEAT_KEY)
    return None if found is None else int(found)
