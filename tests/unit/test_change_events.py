"""The codec against records that a real Debezium wrote (data/record_change_events.py)."""

import copy
import json
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from coupons.change_events import (
    READER_SCHEMAS,
    REQUEST_TOPIC,
    ChangeEventDecoder,
    SchemaRegistry,
    subject_of,
)
from coupons.errors import SchemaRegistryUnavailable, UndecodableEvent
from coupons.model import IssueRequest, Status, to_microseconds
from tests.support.registry import RegistryServer

RECORDED = json.loads((Path(__file__).parent / "data" / "change_events.json").read_text())
REQUESTS = [each for each in RECORDED["records"] if each["topic"] == REQUEST_TOPIC]
[HEARTBEAT] = [each for each in RECORDED["records"] if each["topic"] != REQUEST_TOPIC]
REQUEST = bytes.fromhex(REQUESTS[0]["value"])
WRITER_ID = int.from_bytes(REQUEST[1:5], "big")
WRITER_SCHEMA = RECORDED["schemas"][str(WRITER_ID)]


@pytest.fixture
def registry(registry_server: RegistryServer) -> SchemaRegistry:
    """A client of a registry that holds the recorded schemas."""
    for schema_id, schema in RECORDED["schemas"].items():
        registry_server.schemas[int(schema_id)] = schema
    for topic in READER_SCHEMAS:
        registry_server.subjects[subject_of(topic)] = WRITER_SCHEMA
    return SchemaRegistry(registry_server.url)


@pytest.fixture
def decoder(registry: SchemaRegistry) -> ChangeEventDecoder:
    return ChangeEventDecoder(registry)


@pytest.mark.parametrize("recorded", REQUESTS, ids=lambda each: each["row"][2])
def test_a_recorded_request_is_the_row_that_was_inserted(
    decoder: ChangeEventDecoder, recorded: dict[str, Any]
) -> None:
    coupon_id, user_id, requested_at = recorded["row"]
    moment_us = to_microseconds(datetime.fromisoformat(requested_at))
    expected = IssueRequest(coupon_id, user_id, moment_us, Status.REQUESTED)
    assert decoder.issue_request(bytes.fromhex(recorded["value"])) == expected


def test_a_recorded_heartbeat_gives_its_moment(decoder: ChangeEventDecoder) -> None:
    moment_us = decoder.heartbeat_us(bytes.fromhex(HEARTBEAT["value"]))
    assert moment_us > to_microseconds(datetime.fromisoformat("2026-11-22T00:00:00Z"))


def test_a_column_added_to_the_table_changes_nothing(
    decoder: ChangeEventDecoder, registry_server: RegistryServer
) -> None:
    wider = copy.deepcopy(WRITER_SCHEMA)
    wider["fields"].append({"name": "channel", "type": "string"})
    registry_server.schemas[77] = wider
    value = rewritten(wider, 77, {"channel": "web"})
    assert decoder.issue_request(value) == decoder.issue_request(REQUEST)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"garbage",
        REQUEST[:5],
        REQUEST[:-1],
        REQUEST + b"\0",
        b"\1" + REQUEST[1:],
        bytes.fromhex(HEARTBEAT["value"]),
    ],
    ids=[
        *("tombstone", "empty", "text", "header only", "cut off", "something left", "other magic"),
        "of the other topic",
    ],
)
def test_bytes_that_are_no_request_are_undecodable(
    decoder: ChangeEventDecoder, value: bytes | None
) -> None:
    with pytest.raises(UndecodableEvent):
        decoder.issue_request(value)


@settings(deadline=None)
@given(body=st.binary(max_size=200))
def test_no_bytes_make_the_decoder_fail_in_another_way(body: bytes) -> None:
    registry = SchemaRegistry("http://127.0.0.1:9/nothing-listens-there")
    registry._schemas[1] = parse_schema(WRITER_SCHEMA)
    decoder = ChangeEventDecoder(registry)
    with suppress(UndecodableEvent):
        decoder.issue_request(b"\0\0\0\0\1" + body)


@pytest.mark.parametrize(
    ("field", "number"), [("coupon_id", 0), ("coupon_id", 2**59), ("user_id", 0), ("user_id", -1)]
)
def test_an_id_out_of_range_is_undecodable(
    decoder: ChangeEventDecoder, field: str, number: int
) -> None:
    value = rewritten(WRITER_SCHEMA, WRITER_ID, {field: number})
    with pytest.raises(UndecodableEvent, match="out of range"):
        decoder.issue_request(value)


@pytest.mark.parametrize("text", ["yesterday", "2026-11-22T12:00:00"])
def test_a_moment_that_is_none_is_undecodable(decoder: ChangeEventDecoder, text: str) -> None:
    value = rewritten(WRITER_SCHEMA, WRITER_ID, {"requested_at": text})
    with pytest.raises(UndecodableEvent, match="not a time"):
        decoder.issue_request(value)


def test_a_schema_is_fetched_once(
    decoder: ChangeEventDecoder, registry_server: RegistryServer
) -> None:
    for _ in range(3):
        decoder.issue_request(REQUEST)
    assert registry_server.asked == [f"/schemas/ids/{WRITER_ID}"]


def test_an_unknown_schema_is_asked_for_again_only_after_a_while(
    registry_server: RegistryServer,
) -> None:
    now = 100.0
    registry = SchemaRegistry(registry_server.url, clock=lambda: now)
    for _ in range(3):
        with pytest.raises(UndecodableEvent, match="no schema 5"):
            registry.writer_schema(5)
    assert len(registry_server.asked) == 1
    registry_server.schemas[5] = WRITER_SCHEMA
    now += 60
    assert registry.writer_schema(5)


def test_a_registry_in_trouble_is_an_outage_and_no_fault_of_the_event(
    decoder: ChangeEventDecoder, registry_server: RegistryServer
) -> None:
    registry_server.failing = True
    with pytest.raises(SchemaRegistryUnavailable):
        decoder.issue_request(REQUEST)
    registry_server.failing = False
    assert decoder.issue_request(REQUEST)


def test_a_registry_that_lost_its_schemas_is_an_outage(
    decoder: ChangeEventDecoder, registry_server: RegistryServer
) -> None:
    """A registry that lost its schemas is an outage and no fault of the event."""
    registry_server.schemas.clear()
    registry_server.subjects.clear()
    with pytest.raises(SchemaRegistryUnavailable, match="it lost them"):
        decoder.issue_request(REQUEST)
    registry_server.schemas[WRITER_ID] = WRITER_SCHEMA
    assert decoder.issue_request(REQUEST)


def test_a_record_of_an_unknown_schema_id_is_read_by_the_newest(
    decoder: ChangeEventDecoder, registry_server: RegistryServer
) -> None:
    """A record of an id that nobody knows is guessed by the newest schema."""
    known = decoder.issue_request(REQUEST)
    record = b"\0" + (999).to_bytes(4, "big") + REQUEST[5:]
    with pytest.raises(UndecodableEvent):
        decoder.issue_request(record)
    assert decoder.guessed_request(record) == known
    for garbage in (None, b"", b"garbage", record[:-1], record + b"x"):
        assert decoder.guessed_request(garbage) is None


def test_an_id_that_was_given_out_again_is_asked_for_again(registry_server: RegistryServer) -> None:
    """By a registry that lost its schemas: the same id is of another topic now."""
    now = 100.0
    heartbeat_id = int.from_bytes(bytes.fromhex(HEARTBEAT["value"])[1:5], "big")
    registry_server.subjects[subject_of(REQUEST_TOPIC)] = WRITER_SCHEMA
    registry_server.schemas[WRITER_ID] = RECORDED["schemas"][str(heartbeat_id)]
    decoder = ChangeEventDecoder(SchemaRegistry(registry_server.url, clock=lambda: now))
    value = b"\0" + WRITER_ID.to_bytes(4, "big") + bytes.fromhex(HEARTBEAT["value"])[5:]
    assert decoder.heartbeat_us(value)
    registry_server.schemas[WRITER_ID] = WRITER_SCHEMA
    with pytest.raises(UndecodableEvent):
        decoder.issue_request(REQUEST)
    now += 60
    assert decoder.issue_request(REQUEST)


def rewritten(schema: Any, schema_id: int, change: dict[str, Any]) -> bytes:
    """The recorded request, changed, as its connector would have written it."""
    row = schemaless_reader(BytesIO(REQUEST[5:]), parse_schema(WRITER_SCHEMA), None)
    assert isinstance(row, dict)
    stream = BytesIO()
    schemaless_writer(stream, parse_schema(schema), {**row, **change})
    return b"\0" + schema_id.to_bytes(4, "big") + stream.getvalue()
