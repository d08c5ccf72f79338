"""A writer schema that the consumer cannot read is found before its first record."""

import copy
from typing import Any

import pytest

from connectors.schemas import check_schemas
from coupons.change_events import HEARTBEAT_TOPIC, REQUEST_TOPIC
from tests.support.events import RECORDED, SCHEMAS
from tests.support.registry import RegistryServer


def writer_schema(topic: str) -> Any:
    record = next(each for each in RECORDED["records"] if each["topic"] == topic)
    schema_id = int.from_bytes(bytes.fromhex(record["value"])[1:5], "big")
    return copy.deepcopy(SCHEMAS[schema_id])


@pytest.fixture
def registry(registry_server: RegistryServer) -> RegistryServer:
    """With what the connector registered."""
    for topic in (REQUEST_TOPIC, HEARTBEAT_TOPIC):
        registry_server.subjects[f"{topic}-value"] = writer_schema(topic)
    return registry_server


def test_what_debezium_writes_is_readable(registry: RegistryServer) -> None:
    assert check_schemas(registry.url) == {REQUEST_TOPIC: None, HEARTBEAT_TOPIC: None}


def test_before_the_first_record_there_is_nothing_to_complain_of(
    registry_server: RegistryServer,
) -> None:
    assert not any(check_schemas(registry_server.url).values())


@pytest.mark.parametrize(
    "change",
    [{"name": "person_id"}, {"type": "string"}],
    ids=["a renamed column", "another type"],
)
def test_a_column_that_cannot_be_read_is_found(
    registry: RegistryServer, change: dict[str, Any]
) -> None:
    schema = registry.subjects[f"{REQUEST_TOPIC}-value"]
    schema["fields"][1].update(change)
    faults = check_schemas(registry.url)
    assert faults[REQUEST_TOPIC]
    assert faults[HEARTBEAT_TOPIC] is None
