"""Checks by the registry's schemas that the consumer can read what the connector writes."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException
from fastavro.utils import generate_many

from coupons.change_events import (
    READER_SCHEMAS,
    SchemaRegistry,
    envelope_schema,
    is_enveloped,
    reader_schema,
    subject_of,
)

_SPECIMENS = 50
"""Random records tried: a mismatch shows only when a record with that branch is read."""


def check_schemas(registry_url: str) -> dict[str, str | None]:
    """For each topic, why its newest writer schema cannot be read; None when it can.

    A topic without records has no schema, and counts as readable. Raises
    SchemaRegistryUnavailable.
    """
    registry = SchemaRegistry(registry_url)
    return {
        topic: _why_unreadable(topic, registry.latest_schema(subject_of(topic)))
        for topic in READER_SCHEMAS
    }


def lost_schemas(registry_url: str, records: Mapping[str, int]) -> list[str]:
    """Topics that hold records and whose schemas the registry has lost.

    records: how many were ever written, by topic. Raises SchemaRegistryUnavailable.
    """
    registry = SchemaRegistry(registry_url)
    return [
        topic
        for topic, count in records.items()
        if count and registry.latest_schema(subject_of(topic)) is None
    ]


def _why_unreadable(topic: str, writer_schema: Any | None) -> str | None:
    if writer_schema is None:
        return None
    reader = envelope_schema(topic) if is_enveloped(writer_schema) else reader_schema(topic)
    return mismatch_of(writer_schema, reader)


def mismatch_of(writer_schema: Any, reader: Any) -> str | None:
    """Why a parsed reader schema cannot read records of a writer schema; None if it can."""
    try:
        writer = parse_schema(writer_schema)
        for specimen in generate_many(writer, _SPECIMENS):
            stream = BytesIO()
            schemaless_writer(stream, writer, specimen)
            stream.seek(0)
            schemaless_reader(stream, writer, reader)
    except (SchemaResolutionError, SchemaParseException) as error:
        return str(error)
    return None
