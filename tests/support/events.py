"""Records as the connector would have written them, with the schema of a recorded one."""

import json
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

from fastavro import parse_schema, schemaless_writer

from cdc_consumer.dead_letters import FailedRecord
from cdc_consumer.records import Record
from coupons.change_events import HEARTBEAT_TOPIC, REQUEST_TOPIC
from coupons.errors import KafkaUnavailable
from coupons.model import from_microseconds

_FILE = Path(__file__).parents[1] / "unit" / "data" / "change_events.json"
RECORDED = json.loads(_FILE.read_text())
SCHEMAS = {int(schema_id): schema for schema_id, schema in RECORDED["schemas"].items()}
FIRST_REQUEST = next(each for each in RECORDED["records"] if each["topic"] == REQUEST_TOPIC)
HEARTBEAT = next(each for each in RECORDED["records"] if each["topic"] == HEARTBEAT_TOPIC)
_VALUE = bytes.fromhex(FIRST_REQUEST["value"])
_SCHEMA = parse_schema(SCHEMAS[int.from_bytes(_VALUE[1:5], "big")])


def record_of(value: bytes | None, offset: int = 0, topic: str = REQUEST_TOPIC) -> Record:
    """A record with these bytes."""
    return Record(topic, 0, offset, b"key", value, 1_000, None)


def request_records(
    coupon_id: int, user_ids: Iterable[int], requested_at_us: int = 1_795_000_000_000_000
) -> list[Record]:
    """One record a user, in order, a microsecond apart."""
    return [
        record_of(_value(coupon_id, user_id, requested_at_us + n), offset=n)
        for n, user_id in enumerate(user_ids)
    ]


def _value(coupon_id: int, user_id: int, requested_at_us: int) -> bytes:
    requested_at = from_microseconds(requested_at_us).isoformat().replace("+00:00", "Z")
    row = {"coupon_id": coupon_id, "user_id": user_id, "requested_at": requested_at}
    stream = BytesIO()
    schemaless_writer(stream, _SCHEMA, row)
    return _VALUE[:5] + stream.getvalue()


class KeptLetters:
    """In place of the dead-letter topic: keeps what is delivered, or refuses it."""

    def __init__(self) -> None:
        self.letters: list[FailedRecord] = []
        self.attempts = 0
        self.away = False

    def deliver(self, letters: Sequence[FailedRecord], attempts: int) -> None:
        if letters and self.away:
            raise KafkaUnavailable("away")
        self.letters += letters
        self.attempts = attempts
