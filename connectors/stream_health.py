"""Whether events flow from Postgres to the consumer: the connector, and the newest heartbeat."""

import time
from collections.abc import Mapping
from threading import Thread
from typing import NamedTuple

from connectors.register import status
from coupons.errors import ConnectorError, GateUnavailable, PartNotRunningError
from coupons.gate import connect_gate
from coupons.heartbeat import read_heartbeat

CONNECT_DEADLINE_SECONDS = 5.0


class StreamHealth(NamedTuple):
    """connector: its state, or why it is not known. heartbeat_age_seconds: None: not known."""

    connector: str
    connector_runs: bool
    heartbeat_age_seconds: float | None

    def __str__(self) -> str:
        age = self.heartbeat_age_seconds
        fresh = "no heartbeat seen" if age is None else f"newest heartbeat {age:.1f} s old"
        return f"connector {self.connector}; {fresh}"


def check_stream_health(where: Mapping[str, str]) -> StreamHealth:
    """Ask Connect and Redis at these addresses, in seconds; never raises for what is away."""
    says = [(f"not known: no answer within {CONNECT_DEADLINE_SECONDS:.0f} s", False)]
    # A daemon: a Connect that hangs does not keep the command from ending.
    asking = Thread(target=lambda: says.append(_connector(where)), daemon=True)
    asking.start()
    age = _heartbeat_age(where)
    asking.join(CONNECT_DEADLINE_SECONDS)
    return StreamHealth(*says[-1], age)


def _connector(where: Mapping[str, str]) -> tuple[str, bool]:
    try:
        state = status(where["COUPON_CONNECT_URL"])
    except (ConnectorError, PartNotRunningError) as error:
        return f"not known: {error}", False
    return state.told, state.is_running


def _heartbeat_age(where: Mapping[str, str]) -> float | None:
    try:
        heartbeat_us = read_heartbeat(connect_gate(where["COUPON_REDIS_URL"]).client)
    except (GateUnavailable, PartNotRunningError):
        return None
    return None if heartbeat_us is None else time.time() - heartbeat_us / 1_000_000
