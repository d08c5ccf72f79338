"""Check whether the ledger went back in time.

It was restored from a backup, or failed over to a standby that lacked the newest rows. Kafka, Redis
and Connect then still have requests that the ledger lacks.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from confluent_kafka import Message

from connectors.ledger_history import missing_heartbeat
from coupons.change_events import (
    REQUEST_TOPIC,
    ChangeEventDecoder,
    LogReader,
    SchemaRegistry,
)
from coupons.change_events.dead_letter_headers import replays_of
from coupons.errors import UndecodableEvent
from coupons.gate import connect_gate
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import list_coupon_ids
from coupons.ledger.erased_requests import find_erased_requests
from coupons.ledger.requests import find_requests
from coupons.ledger.retired import find_retiring
from coupons.ledger.unseen_commits import CommitsUnseen, look_for_missing
from operations.doctor.commands import StackCommand
from operations.doctor.findings import Finding, Section, failing, ok, unknown
from operations.doctor.system import System

RESTORE = StackCommand(
    "coupon after-restore --stop",
    "stop API, consumers and reconciler where they run, then `coupon after-restore`",
)
NEWEST = 50
"""Records read of each partition: a restored ledger lacks the newest ones first."""

StreamedRequest = tuple[int, int, int]
"""Coupon, user, and when it was requested, in microseconds since 1970."""


def check_ledger_history(system: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable, RedisUnavailable, KafkaUnavailable or SchemaRegistryUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        try:
            why = missing_heartbeat(connect_gate(system.redis_url), connection)
            why = why or _missing_requests(system, connection)
        except CommitsUnseen as error:
            yield unknown("ledger history", str(error), "coupon doctor", Section.STANDBY_DOWN)
            return
    if why:
        yield _went_back(why)
    else:
        yield ok("ledger history", "the newest requests in Kafka are in the ledger")


def _missing_requests(system: System, connection: Connection) -> str | None:
    """A sentence on requests in Kafka that the ledger lacks; else None."""
    streamed = _streamed_requests(system, connection)
    lost = look_for_missing(connection, lambda: _not_in_ledger(connection, streamed))
    if not lost:
        return None
    return f"{len(lost)} of the newest {len(streamed)} requests in Kafka are not in the ledger"


def _went_back(why: str) -> Finding:
    says = f"the ledger went back in time: {why}; what it lost can be restored from Kafka"
    return failing("ledger history", says, RESTORE, Section.LEDGER_RESTORED)


def _streamed_requests(system: System, connection: Connection) -> set[StreamedRequest]:
    """The newest requests in Kafka: their rows are in the ledger, or were there before.

    Requests of a coupon that the ledger lacks are left out: they cannot be restored and are dead
    letters.
    """
    decoder = ChangeEventDecoder(SchemaRegistry(system.registry_url))
    found: set[StreamedRequest] = set()
    with LogReader(system.kafka, REQUEST_TOPIC, "coupon-doctor") as log:
        log.only_newest(NEWEST)
        for messages in log.read():
            found.update(each for message in messages if (each := _request(decoder, message)))
    coupon_ids = set(list_coupon_ids(connection))
    return {each for each in found if each[0] in coupon_ids}


def _not_in_ledger(connection: Connection, streamed: set[StreamedRequest]) -> set[StreamedRequest]:
    """Requests that were erased or retired since are not lost: only Kafka has them still."""
    keys = sorted({each[:2] for each in streamed})
    there = {request[:2] for request in find_requests(connection, keys)} if keys else set()
    missing = {each for each in streamed if each[:2] not in there}
    erased = find_erased_requests(connection, sorted({each[:2] for each in missing}))
    retired = find_retiring(connection, {each[0] for each in missing})
    return {each for each in missing if each[0] not in retired} - {each[:3] for each in erased}


def _request(
    decoder: ChangeEventDecoder, message: "Message[bytes, bytes]"
) -> StreamedRequest | None:
    """None for a record that is no request, or that an operator replayed."""
    headers: Any = message.headers()
    if replays_of(headers)[0]:
        return None
    try:
        return decoder.issue_request(message.value())[:3]
    except UndecodableEvent:
        return None
