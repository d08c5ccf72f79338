"""What is read again and again while a rehearsal runs: queues that may grow, and memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import NamedTuple

from connectors.slot import read_slot
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.endpoints import DATABASE_URL, REDIS_URL, Endpoints
from coupons.errors import CouponError
from coupons.gate.connection import connect_redis
from coupons.gate.refusals import translated
from coupons.ledger.connection import connect_ledger

EVERY_SECONDS = 0.5


class Sample(NamedTuple):
    """At one moment. lag: records in Kafka that the consumers have not handled.

    slot_bytes: WAL that Debezium has not read. redis_bytes: used memory of Redis.
    """

    at: float
    lag: int
    slot_bytes: int
    redis_bytes: int


@contextmanager
def watched(where: Endpoints) -> Iterator[list[Sample]]:
    """Reads while the block runs; yields the list that gets each sample.

    A server that does not answer leaves a gap: the load goes on, and the report says how many.
    """
    samples: list[Sample] = []
    stop = Event()
    thread = Thread(target=_watch, args=(where, samples, stop), name="rehearsal", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def _watch(where: Endpoints, samples: list[Sample], stop: Event) -> None:
    while not stop.is_set():
        with (
            suppress(CouponError),
            connect_ledger(where[DATABASE_URL], "coupon-rehearsal") as connection,
            connect_redis(where[REDIS_URL]) as redis,
        ):
            kafka = KafkaAdmin(where.kafka_client())
            while not stop.is_set():
                with translated():
                    used = int(redis.info("memory")["used_memory"])
                slot = read_slot(connection)
                lag = kafka.consuming().lag
                samples.append(Sample(time.monotonic(), lag, slot.retained_bytes or 0, used))
                stop.wait(EVERY_SECONDS)
        stop.wait(EVERY_SECONDS)


def grew(values: list[int], enough: float) -> bool:
    """Whether a queue grew all the time: its last third is above the one before, and that above 0.

    enough: at least so much more at the end than at the beginning.
    """
    third = len(values) // 3
    if not third:
        return False
    first, middle, last = (sum(values[at * third : (at + 1) * third]) / third for at in (0, 1, 2))
    return last - first > enough and last > middle > first
