"""The fault of bad records on the request topic."""

import random

from confluent_kafka import Consumer, Producer, TopicPartition

from chaos.faults.fault import Fault, FaultContext
from coupons.change_events import REQUEST_PARTITIONS, REQUEST_TOPIC

UNKNOWN_SCHEMA = 1_000_000_000
FLUSH_SECONDS = 30.0


def garbage_fault(context: FaultContext) -> Fault:
    """Bad records are written, and kept in the history."""
    sentence = "garbage, truncated records and unknown schemas are on the request topic"
    return Fault("garbage", sentence, lambda: write_garbage(context), lasting=False)


def write_unreadable(servers: str, count: int) -> None:
    """Write so many records of random bytes to one partition, in a row."""
    # Nothing is sent before the last of them is there: a flush ends the time to linger.
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 60_000, "log_level": 2})
    for _ in range(count):
        producer.produce(REQUEST_TOPIC, random.randbytes(40), partition=0)
    assert producer.flush(FLUSH_SECONDS) == 0, "the records were not written in time"


def write_garbage(context: FaultContext) -> None:
    """Write records of every bad kind, spread over the partitions."""
    servers = context.target.where["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    bad = _bad_records(context.rng, _some_record(servers))
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0, "log_level": 2})
    failed: list[object] = []
    for number, value in enumerate(bad):
        producer.produce(
            REQUEST_TOPIC,
            value,
            partition=number % REQUEST_PARTITIONS,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    assert producer.flush(FLUSH_SECONDS) == 0, "the garbage was not written in time"
    assert not failed, failed
    with context.history.lock:
        context.history.garbage.extend(bad)


def _bad_records(rng: random.Random, good: bytes | None) -> list[bytes]:
    """Random bytes, an unknown schema, a truncated header; and parts of a good record, if any."""
    unique = rng.randbytes(16)
    bad = [
        rng.randbytes(40),
        b"\0" + (UNKNOWN_SCHEMA + rng.randrange(1_000)).to_bytes(4, "big") + unique,
        b"\0\0" + unique[:2],
    ]
    if good is not None:
        bad += [good[: len(good) // 2] + unique[:4], good[:-1], good + unique]
    return bad


def _some_record(servers: str) -> bytes | None:
    """The newest record of a partition that has one."""
    reader = Consumer({"bootstrap.servers": servers, "group.id": "garbage", "log_level": 2})
    try:
        for number in range(REQUEST_PARTITIONS):
            partition = TopicPartition(REQUEST_TOPIC, number)
            low, high = reader.get_watermark_offsets(partition, FLUSH_SECONDS)
            if high > low:
                reader.assign([TopicPartition(REQUEST_TOPIC, number, high - 1)])
                message = reader.poll(FLUSH_SECONDS)
                if message is not None and message.error() is None:
                    return message.value()
    finally:
        reader.close()
    return None
