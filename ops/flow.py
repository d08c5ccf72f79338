"""Whether events flow from Postgres to the consumer: the connector, and the newest heartbeat."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from connectors.register import status
from coupons.errors import ConnectorError, GateUnavailable
from coupons.freshness import read_beat
from coupons.gate import connect_gate


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
    """Ask Connect and Redis at these addresses; what is away is told, not raised."""
    try:
        state = status(where["COUPON_CONNECT_URL"])
        connector, runs = state.told, state.is_running
    except ConnectorError as error:
        connector, runs = str(error), False
    try:
        beat_us = read_beat(connect_gate(where["COUPON_REDIS_URL"]).client)
    except GateUnavailable:
        beat_us = None
    age = None if beat_us is None else time.time() - beat_us / 1_000_000
    return Flow(connector, runs, age)
