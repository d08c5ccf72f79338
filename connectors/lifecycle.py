"""Stops, resumes, restarts and deletes the connector, and waits until it runs.

`register.py` creates and updates it.
"""

import time

from connectors.connect import Connect
from connectors.connector_state import ConnectorState, existing_state, read_state
from coupons.errors import ConnectorError
from coupons.waiting import attempts

CONNECTOR_NAME = "coupon-cdc"
"""The name in coupon-cdc.json."""

RUNNING_WITHIN_SECONDS = 60.0
STOPPED_WITHIN_SECONDS = 60.0
FAILED_FOR_SECONDS = 2.0
"""A failure that lasts this long is real; a shorter one passes while a task is started."""
OLD_FAILURE_SECONDS = 10.0
"""A failure that is there from the beginning may be left from before: a busy Connect takes some
seconds to start the task again."""

_PAUSE_SECONDS = 0.1
_FAILED_PARTS = "includeTasks=true&onlyFailed=true"


def status(connect_url: str) -> ConnectorState:
    """The state of the connector. Raises ConnectorError when there is none."""
    return existing_state(Connect(connect_url), CONNECTOR_NAME)


def stop_connector(connect: Connect, name: str) -> None:
    """End its tasks and keep its settings; return when nothing of it runs. Raises ConnectorError.

    It stays stopped, also when Connect is restarted, until it is resumed.
    """
    connect.call("PUT", f"/connectors/{name}/stop")
    for _ in attempts(STOPPED_WITHIN_SECONDS, _PAUSE_SECONDS):
        state = read_state(connect, name)
        if state is not None and state.state == "STOPPED" and not state.tasks:
            return
    raise ConnectorError(f"connector {name} does not stop; see Connect's log")


def resume_connector(connect: Connect, name: str) -> None:
    """Let a stopped or paused connector run again; it changes nothing for one that runs."""
    connect.call("PUT", f"/connectors/{name}/resume")


def restart(connect_url: str) -> ConnectorState:
    """Restart the connector and its task, and return when it runs. Raises ConnectorError."""
    connect = Connect(connect_url)
    existing_state(connect, CONNECTOR_NAME)
    request_restart(connect, CONNECTOR_NAME)
    return await_running(connect, CONNECTOR_NAME)


def request_restart(connect: Connect, name: str) -> None:
    """Ask Connect to restart the connector and its task, without waiting. Raises ConnectorError."""
    connect.call("POST", f"/connectors/{name}/restart?includeTasks=true")


def request_restart_of_failed(connect: Connect, name: str) -> None:
    """Ask Connect to restart the connector or its task, if it failed, without waiting."""
    connect.call("POST", f"/connectors/{name}/restart?{_FAILED_PARTS}")


def restart_failed(connect: Connect, name: str) -> ConnectorState | None:
    """Restart the connector or its task if it failed, without waiting.

    The cause may have been an outage that is over. Returns the state before the restart; None:
    there is no connector. Raises ConnectorError.
    """
    state = read_state(connect, name)
    if state is not None and state.failure is not None:
        request_restart_of_failed(connect, name)
    return state


def delete(connect_url: str) -> bool:
    """Remove the connector; False when there was none. Raises ConnectorError.

    Its offsets and the replication slot stay: once registered again, it resumes without a gap.
    """
    connect = Connect(connect_url)
    if read_state(connect, CONNECTOR_NAME) is None:
        return False
    connect.call("DELETE", f"/connectors/{CONNECTOR_NAME}")
    return True


def await_running(connect: Connect, name: str) -> ConnectorState:
    """Its state as soon as it runs. Raises ConnectorError with the reason why it does not."""
    failing_since: float | None = None
    patience_s = OLD_FAILURE_SECONDS
    for _ in attempts(RUNNING_WITHIN_SECONDS, _PAUSE_SECONDS):
        state = read_state(connect, name)
        if state is not None and state.is_running:
            return state
        if state is None or state.failure is None:
            failing_since, patience_s = None, FAILED_FOR_SECONDS
        elif failing_since is None:
            failing_since = time.monotonic()
        elif time.monotonic() - failing_since > patience_s:
            raise ConnectorError(f"connector {name} does not run: {state.failure}")
    raise ConnectorError(
        f"connector {name} does not run after {RUNNING_WITHIN_SECONDS:.0f} s; see Connect's log"
    )
