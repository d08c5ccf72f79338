"""What ledger, gate, topics and offsets hold, read once for the checkers."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition
from psycopg import sql

from cdc_consumer.settings import ConsumerSettings
from chaos.history import Key
from coupons.change_events import (
    DEAD_LETTER_TOPIC,
    REQUEST_PARTITIONS,
    REQUEST_TOPIC,
    ChangeEventDecoder,
    SchemaRegistry,
)
from coupons.errors import SchemaRegistryUnavailable, UndecodableEvent
from coupons.gate import Gate, connect_gate
from coupons.gate.values import coupon_key, read_request, shard_count
from coupons.ledger.requests import stream_requests
from coupons.model import IssueRequest, Status
from coupons.waiting import eventually

GROUP = str(ConsumerSettings.model_fields["consumer_group"].default)
SHARDS_PER_READ = 1_000
KAFKA_SECONDS = 60.0
REGISTRY_SECONDS = 60.0
POLL_SECONDS = 0.1

Place = tuple[int, int]
"""(partition, offset) on the request topic."""


@dataclass(frozen=True)
class Delivered:
    """A record of the request topic; key is None when it cannot be decoded."""

    place: Place
    key: Key | None


@dataclass(frozen=True)
class SetAside:
    """A dead letter: where its record was, and its bytes."""

    place: Place
    value: bytes | None


@dataclass(frozen=True)
class Evidence:
    """totals, issued_counts: of each coupon's row. closed: coupons that the gate cannot answer for.

    issued, rejected: the rows, each as a key. delivered and dead_letters: since the run began.
    committed: by partition, the group's offsets, read before everything else.
    """

    totals: Mapping[int, int] = field(default_factory=dict)
    issued_counts: Mapping[int, int] = field(default_factory=dict)
    requests: Sequence[IssueRequest] = ()
    issued: Sequence[Key] = ()
    rejected: Sequence[Key] = ()
    at_gate: Mapping[Key, IssueRequest] = field(default_factory=dict)
    closed: Sequence[int] = ()
    delivered: Sequence[Delivered] = ()
    dead_letters: Sequence[SetAside] = ()
    committed: Mapping[int, int] = field(default_factory=dict)


Offsets = dict[str, list[int]]
"""By topic, the offset of each partition at which a run begins."""


def end_offsets(servers: str) -> Offsets:
    """Where the topics end now."""
    sizes = {REQUEST_TOPIC: REQUEST_PARTITIONS, DEAD_LETTER_TOPIC: 1}
    with _reader(servers) as reader:
        return {
            topic: [
                reader.get_watermark_offsets(TopicPartition(topic, partition), KAFKA_SECONDS)[1]
                for partition in range(size)
            ]
            for topic, size in sizes.items()
        }


def read_evidence(where: Mapping[str, str], coupon_ids: Sequence[int], begin: Offsets) -> Evidence:
    """Everything about these coupons, and the topics since `begin`.

    where: COUPON_* addresses, the database as its owner. Offsets are read first and the ledger
    last, so that nothing looks committed ahead of its rows that is not.
    """
    servers = where["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    with _reader(servers, GROUP) as group:
        committed = _committed(group)
    decoder = ChangeEventDecoder(SchemaRegistry(where["COUPON_SCHEMA_REGISTRY_URL"]))
    with _reader(servers) as reader:
        delivered = [
            Delivered(_place(message), _key(decoder, message.value()))
            for message in _records(reader, REQUEST_TOPIC, begin[REQUEST_TOPIC])
        ]
        letters = _records(reader, DEAD_LETTER_TOPIC, begin[DEAD_LETTER_TOPIC])
        dead_letters = [_set_aside(message) for message in letters]
    closed, at_gate = _read_gate(connect_gate(where["COUPON_REDIS_URL"]), coupon_ids)
    with psycopg.connect(where["COUPON_DATABASE_URL"], autocommit=True) as ledger:
        return Evidence(
            **_read_ledger(ledger, coupon_ids),
            at_gate=at_gate,
            closed=closed,
            delivered=delivered,
            dead_letters=dead_letters,
            committed=committed,
        )


def _read_ledger(ledger: psycopg.Connection[Any], coupon_ids: Sequence[int]) -> dict[str, Any]:
    coupons = ledger.execute(
        "SELECT coupon_id, total_quantity, issued_count FROM coupon WHERE coupon_id = ANY(%s)",
        [list(coupon_ids)],
    ).fetchall()
    rows = {
        table: ledger.execute(
            sql.SQL("SELECT coupon_id, user_id FROM {} WHERE coupon_id = ANY(%s)").format(
                sql.Identifier(table)
            ),
            [list(coupon_ids)],
        ).fetchall()
        for table in ("issued_coupon", "issue_rejection")
    }
    return {
        "totals": {row[0]: row[1] for row in coupons},
        "issued_counts": {row[0]: row[2] for row in coupons},
        "requests": [each for coupon in coupon_ids for each in stream_requests(ledger, coupon)],
        "issued": rows["issued_coupon"],
        "rejected": rows["issue_rejection"],
    }


def _read_gate(gate: Gate, coupon_ids: Sequence[int]) -> tuple[list[int], dict[Key, IssueRequest]]:
    states = dict(zip(coupon_ids, gate.unavailable(coupon_ids), strict=True))
    closed = [coupon_id for coupon_id, state in states.items() if state is not None]
    held = [
        request
        for coupon_id in coupon_ids
        if coupon_id not in closed
        for request in _held(gate, coupon_id)
    ]
    return closed, {(request.coupon_id, request.user_id): request for request in held}


def _held(gate: Gate, coupon_id: int) -> Iterator[IssueRequest]:
    """Every request that the gate knows of, also those that nobody asks for."""
    key = coupon_key(coupon_id)
    fields: Any = gate.client.hmget(key, "epoch", "shards")
    epoch, shards = fields
    prefix = f"{key}:{epoch}"
    numbers = range(int(shards or shard_count(1)))
    for first in numbers[::SHARDS_PER_READ]:
        pipeline = gate.client.pipeline(transaction=False)
        for shard in numbers[first : first + SHARDS_PER_READ]:
            pipeline.hgetall(f"{prefix}:settled:{shard}")
        for settled in pipeline.execute():
            for user, value in settled.items():
                yield read_request(coupon_id, int(user), value)
    pending: Any = gate.client.zrange(f"{prefix}:pending", 0, -1, withscores=True)
    for user, score in pending:
        yield IssueRequest(coupon_id, int(user), int(score) // 2, Status.REQUESTED)


@contextmanager
def _reader(servers: str, group: str = "evidence") -> Iterator[Consumer]:
    """A reader that belongs to no group, or looks at one without joining it."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 2,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _committed(group: Consumer) -> dict[int, int]:
    places = [TopicPartition(REQUEST_TOPIC, number) for number in range(REQUEST_PARTITIONS)]
    found = group.committed(places, timeout=KAFKA_SECONDS)
    return {place.partition: max(0, place.offset) for place in found}


def _records(
    reader: Consumer, topic: str, begin: Sequence[int]
) -> "Iterator[Message[bytes, bytes]]":
    """The records of a topic from these offsets to its present end."""
    left = {}
    for partition, offset in enumerate(begin):
        place = TopicPartition(topic, partition)
        end = reader.get_watermark_offsets(place, KAFKA_SECONDS)[1]
        if end > offset:
            left[partition] = end
    reader.assign([TopicPartition(topic, partition, begin[partition]) for partition in left])
    deadline = time.monotonic() + KAFKA_SECONDS
    while left:
        if time.monotonic() > deadline:
            raise OSError(f"Kafka does not give all records of {topic} within {KAFKA_SECONDS} s")
        for message in reader.consume(1_000, POLL_SECONDS):
            if error := message.error():
                raise OSError(f"Kafka: {error.str()}")
            yield message
            partition, offset = _place(message)
            if offset + 1 >= left.get(partition, 0):
                left.pop(partition, None)
    reader.unassign()


def _place(message: "Message[bytes, bytes]") -> Place:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _key(decoder: ChangeEventDecoder, value: bytes | None) -> Key | None:
    """Whose request a record is. The registry may be slow still, after what was done to it."""

    def decoded() -> tuple[Key | None]:
        try:
            request = decoder.issue_request(value)
        except UndecodableEvent:
            return (None,)
        except SchemaRegistryUnavailable as error:
            raise OSError(str(error)) from error
        return ((request.coupon_id, request.user_id),)

    return eventually(decoded, REGISTRY_SECONDS)[0]


def _set_aside(message: "Message[bytes, bytes]") -> SetAside:
    given: Any = message.headers() or []
    headers = {name: value.decode() for name, value in given}
    place = int(headers["dead-letter.partition"]), int(headers["dead-letter.offset"])
    return SetAside(place, message.value())
