"""How far the connector has come by Kafka Connect's own books, and taking that away from it."""

import time

from connectors.connect import Connect
from connectors.state import read_state
from coupons.errors import ConnectorError

STOPPED_WITHIN_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


def read_offset(connect: Connect, name: str) -> int | None:
    """The WAL position (LSN) of the last row streamed; None when Connect keeps none.

    Raises ConnectorError.
    """
    answer = connect.call("GET", f"/connectors/{name}/offsets")
    offsets = answer["offsets"] if answer else []
    return offsets[0]["offset"].get("lsn") if offsets else None


def stop_connector(connect: Connect, name: str) -> None:
    """End its tasks and keep its settings; return when nothing of it runs. Raises ConnectorError.

    It stays stopped, over restarts of Connect as well, until it is resumed.
    """
    connect.call("PUT", f"/connectors/{name}/stop")
    deadline = time.monotonic() + STOPPED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        state = read_state(connect, name)
        if state is not None and state.state == "STOPPED" and not state.tasks:
            return
        time.sleep(_PAUSE_SECONDS)
    raise ConnectorError(f"connector {name} does not stop; see Connect's log")


def forget_offsets(connect: Connect, name: str) -> None:
    """Let a stopped connector begin at its replication slot's position. Raises ConnectorError."""
    connect.call("DELETE", f"/connectors/{name}/offsets")


def resume_connector(connect: Connect, name: str) -> None:
    """Let a stopped or paused connector go on; harmless for one that runs."""
    connect.call("PUT", f"/connectors/{name}/resume")
