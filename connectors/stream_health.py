"""Whether events flow from Postgres to the consumer: the connector, and the newest heartbeat."""

import time
from collections.abc import Mapping
from threading import Thread
from typing import NamedTuple

from connectors.register import status
from coupons.errors import ConnectorError, GateUnavailable, PartNotRunningError
from coupons.gate import connect_gate
from coupons.heartbeat import read_beat

CONNECT_DEADLINE_SECONDS = 5.0


class Flow(NamedTuple):
    """connector: its state, or why that is not known. freshness_seconds: None when not known."""

    connector: str
    connector_runs: bool
    freshness_seconds: float | None

    def __str__(self) -> str:
        age = self.freshness_seconds
        fresh = "no heartbeat seen" if age is None else f"newest heartbeat {age:.1f} s old"
        return f"connector {self.connector}; {fresh}"


def look_at_flow(where: Mapping[str, str]) -> Flow:
    """Ask Connect and Redis at these addresses, in seconds; never raises for what is away."""
    says = [(f"not known: no answer within {CONNECT_DEADLINE_SECONDS:.0f} s", False)]
    # A daemon: a Connect that hangs does not keep the command from ending.
    asking = Thread(target=lambda: says.append(_connector(where)), daemon=True)
    asking.start()
    age = _heartbeat_age(where)
    asking.join(CONNECT_DEADLINE_SECONDS)
    return Flow(*says[-1], age)


def _connector(where: Mapping[str, str]) -> tuple[str, bool]:
    try:
        state = status(where["COUPON_CONNECT_URL"])
    except (ConnectorError, PartNotRunningError) as error:
        return f"not known: {error}", False
    return state.told, state.is_running


def _heartbeat_age(where: Mapping[str, str]) -> float | None:
    try:
        beat_us = read_beat(connect_gate(where["COUPON_REDIS_URL"]).client)
    except (GateUnavailable, PartNotRunningError):
        return None
    return None if beat_us is None else time.time() - beat_us / 1_000_000
