"""Records from before the connector left the row alone: while topics keep them, they are read."""

import json
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer

from coupons.change_events import REQUEST_TOPIC, ChangeEventDecoder, SchemaRegistry
from coupons.errors import UndecodableEvent
from coupons.model import IssueRequest, Status, to_microseconds
from tests.support.registry import RegistryServer

_FILE = Path(__file__).parent / "data" / "enveloped_change_events.json"
RECORDED = json.loads(_FILE.read_text())
REQUESTS = [each for each in RECORDED["records"] if each["topic"] == REQUEST_TOPIC]
[HEARTBEAT] = [each for each in RECORDED["records"] if each["topic"] != REQUEST_TOPIC]
REQUEST = bytes.fromhex(REQUESTS[0]["value"])
WRITER_SCHEMA = RECORDED["schemas"][str(int.from_bytes(REQUEST[1:5], "big"))]


@pytest.fixture
def decoder(registry_server: RegistryServer) -> ChangeEventDecoder:
    for schema_id, schema in RECORDED["schemas"].items():
        registry_server.schemas[int(schema_id)] = schema
    return ChangeEventDecoder(SchemaRegistry(registry_server.url))


@pytest.mark.parametrize("recorded", REQUESTS, ids=lambda each: each["row"][2])
def test_the_row_within_the_envelope_is_the_request(
    decoder: ChangeEventDecoder, recorded: dict[str, Any]
) -> None:
    coupon_id, user_id, requested_at = recorded["row"]
    moment_us = to_microseconds(datetime.fromisoformat(requested_at))
    expected = IssueRequest(coupon_id, user_id, moment_us, Status.REQUESTED)
    assert decoder.issue_request(bytes.fromhex(recorded["value"])) == expected


def test_a_heartbeat_gives_its_moment(decoder: ChangeEventDecoder) -> None:
    moment_us = decoder.heartbeat_us(bytes.fromhex(HEARTBEAT["value"]))
    assert moment_us > to_microseconds(datetime.fromisoformat("2026-11-22T00:00:00Z"))


def test_an_event_of_the_other_topic_is_undecodable(decoder: ChangeEventDecoder) -> None:
    with pytest.raises(UndecodableEvent):
        decoder.issue_request(bytes.fromhex(HEARTBEAT["value"]))


def test_rows_alone_and_envelopes_are_read_side_by_side(
    decoder: ChangeEventDecoder, registry_server: RegistryServer
) -> None:
    rows = json.loads(_FILE.with_name("change_events.json").read_text())
    row = bytes.fromhex(next(r["value"] for r in rows["records"] if r["topic"] == REQUEST_TOPIC))
    schema_id = int.from_bytes(row[1:5], "big")
    registry_server.schemas[77] = rows["schemas"][str(schema_id)]
    value = b"\0" + (77).to_bytes(4, "big") + row[5:]
    assert decoder.issue_request(value) == decoder.issue_request(REQUEST)
    assert decoder.issue_request(value) == decoder.issue_request(REQUEST)


@pytest.mark.parametrize("change", [{"op": "u"}, {"op": "d", "after": None}, {"after": None}])
def test_anything_but_an_inserted_row_is_undecodable(
    decoder: ChangeEventDecoder, change: dict[str, Any]
) -> None:
    event = schemaless_reader(BytesIO(REQUEST[5:]), parse_schema(WRITER_SCHEMA), None)
    assert isinstance(event, dict)
    stream = BytesIO()
    schemaless_writer(stream, parse_schema(WRITER_SCHEMA), {**event, **change})
    with pytest.raises(UndecodableEvent, match="not an inserted row"):
        decoder.issue_request(REQUEST[:5] + stream.getvalue())
