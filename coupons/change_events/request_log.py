"""Reads the requests that Kafka still holds, as a second copy of the ledger's."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from confluent_kafka import Message

from coupons.change_events import REQUEST_TOPIC, ChangeEventDecoder, LogReader, SchemaRegistry
from coupons.errors import KafkaUnavailable, UndecodableEvent
from coupons.kafka.client import KafkaClient
from coupons.model import IssueRequest, from_microseconds


class Requests(NamedTuple):
    """A part of the log. undecodable: how many records in it are no request."""

    requests: list[IssueRequest]
    undecodable: int


class RemovedByRetention(NamedTuple):
    """The records of a partition that retention has removed.

    records: how many, all from its beginning. since: when the oldest record that is left was
    written; None when nothing is left.
    """

    partition: int
    records: int
    since: datetime | None

    def may_reach(self, moment: datetime | None) -> bool:
        """Whether a record from after that moment may be among them. None: any moment."""
        return moment is None or self.since is None or self.since > moment

    def __str__(self) -> str:
        left = f"what is left begins at {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"partition {self.partition}: {self.records:,} records; {left or 'nothing is left'}"


class RequestLog:
    """Reads all that the topic holds now, once, without joining a group.

    Every method raises KafkaUnavailable or SchemaRegistryUnavailable.
    """

    def __init__(self, kafka: KafkaClient, registry_url: str) -> None:
        self._decoder = ChangeEventDecoder(SchemaRegistry(registry_url))
        self._log = LogReader(kafka, REQUEST_TOPIC, "coupon-after-restore")
        if not self._log.kept:
            self._log.close()
            raise KafkaUnavailable(
                f"there is no topic {REQUEST_TOPIC} at {kafka.bootstrap_servers}:"
                " `coupon connector register` creates it"
            )

    def read(self) -> Iterator[Requests]:
        """From the oldest record to the present end."""
        with self._log:
            for messages in self._log.read():
                yield _decode(self._decoder, messages)

    @property
    def taken(self) -> list[RemovedByRetention]:
        """What retention has removed, by partition; complete after everything is read."""
        return [
            RemovedByRetention(number, kept.begin, _moment(kept.since_ms))
            for number, kept in sorted(self._log.kept.items())
            if kept.begin
        ]


def _decode(decoder: ChangeEventDecoder, messages: "Iterable[Message[bytes, bytes]]") -> Requests:
    requests, undecodable = [], 0
    for message in messages:
        try:
            requests.append(decoder.issue_request(message.value()))
        except UndecodableEvent:
            undecodable += 1
    return Requests(requests, undecodable)


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_microseconds(milliseconds * 1_000)
