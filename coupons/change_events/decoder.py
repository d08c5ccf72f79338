"""Decodes the bytes of a change event."""

from datetime import datetime
from typing import Any

from fastavro import parse_schema
from fastavro.schema import SchemaParseException

from coupons.change_events.registry import SchemaRegistry
from coupons.change_events.topics import (
    HEARTBEAT_TOPIC,
    REQUEST_TOPIC,
    envelope_schema,
    is_enveloped,
    reader_schema,
    subject_of,
)
from coupons.change_events.wire_format import read_record, schema_id_of
from coupons.errors import UndecodableEvent
from coupons.ids import MAX_COUPON_ID, MAX_USER_ID
from coupons.model import IssueRequest, Status, to_microseconds

_INSERTED = ("c", "r")


class ChangeEventDecoder:
    """Decodes the values of the request and heartbeat topics. For one thread.

    Every method raises UndecodableEvent when the bytes are not a value of the topic, and
    SchemaRegistryUnavailable when their schema is not known yet and the registry does not answer.
    """

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._newest: Any | None = None

    def issue_request(self, value: bytes | None) -> IssueRequest:
        """The request that was accepted, with status REQUESTED."""
        row = self._row(value, REQUEST_TOPIC)
        coupon_id, user_id = row["coupon_id"], row["user_id"]
        if not 0 < coupon_id <= MAX_COUPON_ID or not 0 < user_id <= MAX_USER_ID:
            raise UndecodableEvent(f"coupon {coupon_id} or user {user_id} is out of range")
        return IssueRequest(coupon_id, user_id, _moment_us(row["requested_at"]), Status.REQUESTED)

    def guessed_request(self, value: bytes | None) -> IssueRequest | None:
        """The request by the topic's newest schema, for a record whose own schema is lost.

        It may be wrong: compare it with the ledger's row, and never issue a coupon from it. Raises
        SchemaRegistryUnavailable.
        """
        try:
            if self._newest is None:
                schema = self._registry.latest_schema(subject_of(REQUEST_TOPIC))
                self._newest = parse_schema(schema or "null")
            row = _row(value or b"", REQUEST_TOPIC, self._newest)
            moment_us = _moment_us(row["requested_at"])
            return IssueRequest(row["coupon_id"], row["user_id"], moment_us, Status.REQUESTED)
        except (UndecodableEvent, SchemaParseException):
            return None

    def heartbeat_us(self, value: bytes | None) -> int:
        """When the heartbeat's row was written, in microseconds since 1970."""
        return _moment_us(self._row(value, HEARTBEAT_TOPIC)["beat_at"])

    def _row(self, value: bytes | None, topic: str) -> dict[str, Any]:
        schema_id, subject = schema_id_of(value), subject_of(topic)
        assert value is not None
        try:
            return _row(value, topic, self._registry.writer_schema(schema_id, subject))
        except UndecodableEvent:
            schema = self._registry.changed_schema(schema_id, subject)
            if schema is None:
                raise
        return _row(value, topic, schema)


def _row(value: bytes, topic: str, writer_schema: Any) -> dict[str, Any]:
    if is_enveloped(writer_schema):
        return _inserted_row(read_record(value, writer_schema, envelope_schema(topic)))
    return read_record(value, writer_schema, reader_schema(topic))


def _inserted_row(event: dict[str, Any]) -> dict[str, Any]:
    if event["op"] not in _INSERTED or event["after"] is None:
        raise UndecodableEvent(f"operation {event['op']!r} is not an inserted row")
    row: dict[str, Any] = event["after"]
    return row


def _moment_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("it has no UTC offset")
        return to_microseconds(moment)
    except ValueError as error:
        raise UndecodableEvent(f"{text!r} is not a time: {error}") from error
