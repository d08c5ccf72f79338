"""Change events: Debezium's records in the Confluent wire format, decoded to the model's types.

Connect keeps only the row of each event (transform `row` of connectors/coupon-cdc.json): source,
operation and times would make it five times as long. A value is a zero byte, the writer schema's id
(4 bytes, big-endian) and Avro. It is read with the reader schemas of schemas/, which name only the
fields that are used, so that tables may get more columns.
"""

from coupons.change_events.creation import Topic, ensure_topics
from coupons.change_events.decoder import ChangeEventDecoder
from coupons.change_events.log_reader import LogReader
from coupons.change_events.registry import SchemaRegistry
from coupons.change_events.topics import (
    DEAD_LETTER_TOPIC,
    HEARTBEAT_PARTITIONS,
    HEARTBEAT_TOPIC,
    READER_SCHEMAS,
    REQUEST_PARTITIONS,
    REQUEST_TOPIC,
    envelope_schema,
    is_enveloped,
    reader_schema,
    subject_of,
)

__all__ = [
    "DEAD_LETTER_TOPIC",
    "HEARTBEAT_PARTITIONS",
    "HEARTBEAT_TOPIC",
    "READER_SCHEMAS",
    "REQUEST_PARTITIONS",
    "REQUEST_TOPIC",
    "ChangeEventDecoder",
    "LogReader",
    "SchemaRegistry",
    "Topic",
    "ensure_topics",
    "envelope_schema",
    "is_enveloped",
    "reader_schema",
    "subject_of",
]
