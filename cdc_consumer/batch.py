"""What the records of a batch say."""

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
    """requests: each with its record. newest_heartbeat_us: of the heartbeats, None without any."""

    requests: list[tuple[Record, IssueRequest]]
    newest_heartbeat_us: int | None
    undecodable: list[FailedRecord]


def read_batch(decoder: ChangeEventDecoder, records: Sequence[Record]) -> Contents:
    """Decode every record. Raises SchemaRegistryUnavailable."""
    requests: list[tuple[Record, IssueRequest]] = []
    beats: list[int] = []
    undecodable: list[FailedRecord] = []
    for record in records:
        try:
            if record.topic == HEARTBEAT_TOPIC:
                beats.append(decoder.heartbeat_us(record.value))
            else:
                requests.append((record, decoder.issue_request(record.value)))
        except UndecodableEvent as error:
            if record.topic == HEARTBEAT_TOPIC:
                # Nobody's request: the next one says the same, and its absence is what is watched.
                log.warning("a heartbeat that cannot be read is passed over: %s", error)
            else:
                undecodable.append(FailedRecord(record, error))
    return Contents(requests, max(beats, default=None), undecodable)
