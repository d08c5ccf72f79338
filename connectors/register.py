"""Registers the connector, and looks after it."""

import json
import re
import time
from pathlib import Path
from typing import Any

from connectors.connect import Connect
from connectors.offsets import stop_connector
from connectors.state import ConnectorState, existing_state, read_state
from coupons.change_events import Topic, ensure_topics
from coupons.errors import ConnectorError
from coupons.kafka import KafkaClient

CONNECTOR_FILE = Path(__file__).parent / "coupon-cdc.json"
CONNECTOR_NAME = "coupon-cdc"

RUNNING_WITHIN_SECONDS = 60.0
FAILED_FOR_SECONDS = 2.0
"""A failure that lasts this long is one; a shorter one is news from before the restart."""

_PAUSE_SECONDS = 0.1
_FAILED_PARTS = "includeTasks=true&onlyFailed=true"


def register(
    connect_url: str, kafka: KafkaClient | None = None, file: Path = CONNECTOR_FILE
) -> ConnectorState:
    """Create the connector, or bring it up to date and restart what failed; return when it runs.

    Somebody who paused or stopped it had a reason: such a one stays as it is.

    kafka: where its topics are made first. A producer that has many rows for a topic made that
    very moment can stall until they time out (KAFKA-15591).

    Safe to repeat. Raises KafkaUnavailable, and ConnectorError: with every setting that Connect
    finds wrong, before anything is changed; or with the reason why it does not get to run.
    """
    connect = Connect(connect_url)
    connector = json.loads(file.read_text())
    name, config = connector["name"], connector["config"]
    _validate(connect, name, config)
    if kafka is not None:
        ensure_topics(kafka, topics_of(config))
    # Looked at before: while it takes over its settings, a paused one does not say so.
    state = read_state(connect, name)
    connect.call("PUT", f"/connectors/{name}/config", config)
    if state is not None and state.is_held:
        return state
    connect.call("POST", f"/connectors/{name}/restart?{_FAILED_PARTS}")
    return await_running(connect, name)


def create_stopped(connect_url: str, file: Path = CONNECTOR_FILE) -> None:
    """Create the connector so that it does not begin yet. Raises ConnectorError."""
    connector = json.loads(file.read_text())
    connect = Connect(connect_url)
    _validate(connect, connector["name"], connector["config"])
    connect.call("POST", "/connectors", {**connector, "initial_state": "STOPPED"})
    stop_connector(connect, connector["name"])


def status(connect_url: str) -> ConnectorState:
    """How the connector is doing. Raises ConnectorError when there is none."""
    return existing_state(Connect(connect_url), CONNECTOR_NAME)


def restart(connect_url: str) -> ConnectorState:
    """Restart the connector and its task, and return when it runs. Raises ConnectorError."""
    connect = Connect(connect_url)
    existing_state(connect, CONNECTOR_NAME)
    connect.call("POST", f"/connectors/{CONNECTOR_NAME}/restart?includeTasks=true")
    return await_running(connect, CONNECTOR_NAME)


def restart_failed(connect_url: str) -> ConnectorState:
    """Restart what of the connector failed, without waiting; nothing when nothing did.

    For whoever watches over it: a failure may have been an outage that has passed. Returns its
    state before that. Raises ConnectorError.
    """
    connect = Connect(connect_url)
    state = existing_state(connect, CONNECTOR_NAME)
    if state.failure is not None:
        connect.call("POST", f"/connectors/{CONNECTOR_NAME}/restart?{_FAILED_PARTS}")
    return state


def delete(connect_url: str) -> bool:
    """Remove the connector; False when there was none. Raises ConnectorError.

    Its offsets and the replication slot stay, so that registering it anew goes on without a gap.
    """
    connect = Connect(connect_url)
    if read_state(connect, CONNECTOR_NAME) is None:
        return False
    connect.call("DELETE", f"/connectors/{CONNECTOR_NAME}")
    return True


def topics_of(config: dict[str, str]) -> list[Topic]:
    """The topics that a connector writes to, of the sizes that its topic.creation settings say."""
    prefix = config["topic.prefix"]
    names = [f"{prefix}.{table}" for table in config["table.include.list"].split(",")]
    heartbeat = config["topic.creation.heartbeat.include"].replace(",", "|")
    return [
        Topic(name, int(config[f"topic.creation.{group}.partitions"]))
        for name in [*names, f"__debezium-heartbeat.{prefix}"]
        for group in ["heartbeat" if re.fullmatch(heartbeat, name) else "default"]
    ]


def _validate(connect: Connect, name: str, config: dict[str, str]) -> None:
    kind = config["connector.class"].rpartition(".")[2]
    path = f"/connector-plugins/{kind}/config/validate"
    answer: Any = connect.call("PUT", path, {"name": name, **config})
    if answer is None:
        raise ConnectorError(f"Kafka Connect at {connect.url} has no plugin {kind}: install it")
    complaints = [
        f"  {setting['value']['name']}: {error}"
        for setting in answer["configs"]
        for error in setting["value"]["errors"]
    ]
    if complaints:
        raise ConnectorError("\n".join([f"connector {name} is not valid:", *complaints]))


def await_running(connect: Connect, name: str) -> ConnectorState:
    """Its state as soon as it runs. Raises ConnectorError with the reason why it does not."""
    deadline = time.monotonic() + RUNNING_WITHIN_SECONDS
    failing_since: float | None = None
    while time.monotonic() < deadline:
        state = read_state(connect, name)
        if state is not None and state.is_running:
            return state
        if state is None or state.failure is None:
            failing_since = None
        elif failing_since is None:
            failing_since = time.monotonic()
        elif time.monotonic() - failing_since > FAILED_FOR_SECONDS:
            raise ConnectorError(f"connector {name} does not run: {state.failure}")
        time.sleep(_PAUSE_SECONDS)
    raise ConnectorError(
        f"connector {name} does not run after {RUNNING_WITHIN_SECONDS:.0f} s; see Connect's log"
    )
