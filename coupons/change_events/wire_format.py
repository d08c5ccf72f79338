"""The Confluent wire format: a zero byte, the writer schema's id (4 bytes, big-endian), Avro."""

from io import BytesIO
from typing import Any

from fastavro import schemaless_reader

from coupons.errors import UndecodableEvent

HEADER_BYTES = 5


def schema_id_of(value: bytes | None) -> int:
    """The id of the writer's schema. Raises UndecodableEvent."""
    if value is None or len(value) <= HEADER_BYTES or value[0] != 0:
        raise UndecodableEvent("the value is not in the Confluent wire format")
    return int.from_bytes(value[1:HEADER_BYTES], "big")


def read_record(value: bytes, writer_schema: Any, schema: Any) -> dict[str, Any]:
    """The record, by two parsed schemas: its writer's, and the one to read it by.

    Raises UndecodableEvent.
    """
    stream = BytesIO(value)
    stream.seek(HEADER_BYTES)
    try:
        record = schemaless_reader(stream, writer_schema, schema)
    except Exception as error:
        # Garbage can make the reader raise any error: EOFError, IndexError, UnicodeDecodeError ...
        raise UndecodableEvent(f"not valid Avro of its schema: {error!r}") from error
    if stream.tell() != len(value):
        raise UndecodableEvent(f"{len(value) - stream.tell()} bytes follow the record")
    assert isinstance(record, dict)
    return record
