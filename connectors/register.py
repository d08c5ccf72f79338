"""Creates the connector from its file, or brings it up to date."""

import json
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from connectors.connect import Connect
from connectors.connector_state import ConnectorState, read_state
from connectors.lifecycle import (
    CONNECTOR_NAME,
    await_running,
    request_restart_of_failed,
    stop_connector,
)
from connectors.stream_gap import check_stream
from coupons.change_events import Topic, ensure_topics
from coupons.errors import ConnectorError
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import connect_ledger

CONNECTOR_FILE = Path(__file__).parent / "coupon-cdc.json"


def register(
    connect_url: str, kafka: KafkaClient | None = None, file: Path = CONNECTOR_FILE
) -> ConnectorState:
    """Create or update the connector, restart what failed, and return when it runs.

    A connector that somebody paused or stopped stays as it is.

    kafka: where its topics are created first. A producer that has many rows for a topic created at
    the same moment can stall until they time out (KAFKA-15591).

    Safe to repeat. Raises KafkaUnavailable. Raises ConnectorError with every setting that Connect
    finds wrong, before anything is changed; or with the reason why the connector does not run.
    """
    connect = Connect(connect_url)
    connector = json.loads(file.read_text())
    name, config = connector["name"], connector["config"]
    _validate(connect, name, config)
    if kafka is not None:
        ensure_topics(kafka, topics_of(config))
    # Read before the update: a paused connector does not report it while it applies new settings.
    state = read_state(connect, name)
    connect.call("PUT", f"/connectors/{name}/config", config)
    if state is not None and state.is_held:
        return state
    request_restart_of_failed(connect, name)
    return await_running(connect, name)


def register_unless_gap(where: Mapping[str, str], kafka: KafkaClient, went_back: bool) -> None:
    """Register the connector and wait until it runs.

    On a ledger that went back in time, or with offsets that do not match the slot, the connector
    fails, or runs on and leaves a gap. Then it is stopped instead, and everything else starts, so
    that `coupon doctor` can name the repair.
    """
    connect = Connect(where["COUPON_CONNECT_URL"])
    with closing(connect_ledger(where["COUPON_DATABASE_URL"], "coupon-up")) as connection:
        check = check_stream(connect, connection)
    mismatch = check.offset is not None and check.gap is not None
    if not went_back and not mismatch:
        register(connect.url, kafka)
    elif check.state is not None:
        stop_connector(connect, CONNECTOR_NAME)


def create_stopped(connect_url: str, file: Path = CONNECTOR_FILE) -> None:
    """Create the connector without starting it. Raises ConnectorError."""
    connector = json.loads(file.read_text())
    connect = Connect(connect_url)
    _validate(connect, connector["name"], connector["config"])
    connect.call("POST", "/connectors", {**connector, "initial_state": "STOPPED"})
    stop_connector(connect, connector["name"])


def topics_of(config: dict[str, str]) -> list[Topic]:
    """The topics that a connector writes to, with the settings of its topic.creation groups.

    A heartbeat of Debezium has a topic where the connector has an interval for it.
    """
    prefix = config["topic.prefix"]
    names = [f"{prefix}.{table}" for table in config["table.include.list"].split(",")]
    if "heartbeat.interval.ms" in config:
        names.append(f"__debezium-heartbeat.{prefix}")
    heartbeat = config["topic.creation.heartbeat.include"].replace(",", "|")
    topics: dict[str, Topic] = {}
    for name in names:
        group = "heartbeat" if re.fullmatch(heartbeat, name) else "default"
        routed = _routed(name, config)
        topics[routed] = Topic(routed, *_creation(group, config))
    return list(topics.values())


def _routed(topic: str, config: dict[str, str]) -> str:
    """The topic's name after the transform that renames topics, if the connector has it."""
    pattern = config.get("transforms.topic.regex")
    if pattern is not None and re.fullmatch(pattern, topic):
        return config["transforms.topic.replacement"]
    return topic


def _creation(group: str, config: dict[str, str]) -> tuple[int, dict[str, str]]:
    """How many partitions the topics of a group have, and their settings."""
    prefix = f"topic.creation.{group}."
    settings = {
        name.removeprefix(prefix): value
        for name, value in config.items()
        if name.startswith(prefix) and not name.endswith(("include", "exclude"))
    }
    del settings["replication.factor"]  # the brokers' default, as the connector has it
    return int(settings.pop("partitions")), settings


def _validate(connect: Connect, name: str, config: dict[str, str]) -> None:
    plugin = config["connector.class"].rpartition(".")[2]
    path = f"/connector-plugins/{plugin}/config/validate"
    answer: Any = connect.call("PUT", path, {"name": name, **config})
    if answer is None:
        raise ConnectorError(f"Kafka Connect at {connect.url} has no plugin {plugin}: install it")
    errors = [
        f"  {setting['value']['name']}: {error}"
        for setting in answer["configs"]
        for error in setting["value"]["errors"]
    ]
    if errors:
        raise ConnectorError("\n".join([f"connector {name} is not valid:", *errors]))
