"""Names of the topics, their sizes and the reader schemas of their values."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastavro import parse_schema

REQUEST_TOPIC = "coupon.public.coupon_issue_request"
HEARTBEAT_TOPIC = "coupon.public.cdc_heartbeat"
DEAD_LETTER_TOPIC = "coupon.dead-letters"
EVENTS_TOPIC = "coupon.events"
"""For other services. connectors/coupon-events.json writes it; nothing here depends on it."""

REQUEST_PARTITIONS = 10
HEARTBEAT_PARTITIONS = 1

READER_SCHEMAS = {REQUEST_TOPIC: "issue_request", HEARTBEAT_TOPIC: "heartbeat"}
"""The file in schemas/ with the reader schema of a topic's values."""

EVENT_TABLES = ("issued_coupon", "issued_coupon_change")
"""The tables whose rows are in EVENTS_TOPIC; each has a file in schemas/."""

_ENVELOPE = "Envelope"
_FOLDER = Path(__file__).parent / "schemas"


def subject_of(topic: str) -> str:
    """The registry's name for the schemas of a topic's values."""
    return f"{topic}-value"


@cache
def reader_schema(topic: str) -> Any:
    """The reader schema of a topic's rows, as fastavro parsed it. Raises KeyError."""
    return parse_schema(_row_schema(topic))


def is_enveloped(writer_schema: Any) -> bool:
    """Whether records of this schema have the row inside Debezium's envelope.

    The connector now writes only the row. Older records still exist: in the topic, as far back as
    its retention goes, and as dead letters.
    """
    return isinstance(writer_schema, dict) and writer_schema["name"].rpartition(".")[2] == _ENVELOPE


@cache
def envelope_schema(topic: str) -> Any:
    """The reader schema of a topic's enveloped records, as fastavro parsed it. Raises KeyError."""
    row = _row_schema(topic)
    return parse_schema(
        {
            "type": "record",
            "name": _ENVELOPE,
            "namespace": row["namespace"],
            "fields": [
                {"name": "after", "type": ["null", row]},
                {"name": "op", "type": "string", "doc": "c: inserted, r: read by a snapshot"},
            ],
        }
    )


@cache
def event_schema(table: str) -> Any:
    """The reader schema of a table's rows in EVENTS_TOPIC, as fastavro parsed it.

    Raises KeyError for a table whose rows are not there.
    """
    if table not in EVENT_TABLES:
        raise KeyError(table)
    return parse_schema(_schema_file(table))


def _row_schema(topic: str) -> Any:
    return _schema_file(READER_SCHEMAS[topic])


def _schema_file(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.avsc").read_text())
