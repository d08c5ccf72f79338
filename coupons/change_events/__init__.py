"""Change events: what Debezium writes, in the Confluent wire format, as values of the domain.

Connect leaves only the row of each event (transform `row` of connectors/coupon-cdc.json): source,
operation and times would make it five times as long. A value is a zero byte, the writer schema's id
(4 bytes, big-endian) and Avro. It is resolved to the reader schemas of schemas/, which name only
the fields that are used, so that tables may grow.
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
