"""Decodes the records of a batch."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from cdc_consumer.dead_letters import FailedRecord
from cdc_consumer.records import Record
from coupons.change_events import HEARTBEAT_TOPIC, ChangeEventDecoder
from coupons.errors import UndecodableEvent
from coupons.model import IssueRequest

log = logging.getLogger(__name__)


class Contents(NamedTuple):
    """requests: each with its record. newest_heartbeat_us: None without a heartbeat."""

    requests: list[tuple[Record, IssueRequest]]
    newest_heartbeat_us: int | None
    undecodable: list[FailedRecord]


def read_batch(decoder: ChangeEventDecoder, records: Sequence[Record]) -> Contents:
    """Decode every record. Raises SchemaRegistryUnavailable."""
    requests: list[tuple[Record, IssueRequest]] = []
    heartbeats: list[int] = []
    undecodable: list[FailedRecord] = []
    for record in records:
        try:
            if record.topic == HEARTBEAT_TOPIC:
                heartbeats.append(decoder.heartbeat_us(record.value))
            else:
                requests.append((record, decoder.issue_request(record.value)))
        except UndecodableEvent as error:
            if record.topic == HEARTBEAT_TOPIC:
                # It is no request, and the next heartbeat replaces it.
                log.warning("a heartbeat that cannot be read is ignored: %s", error)
            else:
                undecodable.append(FailedRecord(record, error))
    return Contents(requests, max(heartbeats, default=None), undecodable)
