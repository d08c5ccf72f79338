"""Check of the newest requests: a gap is seen as soon as the stream has gone beyond it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from connectors.stream_progress import StreamProgress
from coupons.gate import Gate, connect_gate
from coupons.heartbeat import read_heartbeat
from coupons.kafka_admin import KafkaAdmin
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import list_coupons
from coupons.ledger.requests import find_requests
from coupons.ledger.unfinished import read_clock_us
from operations.doctor.findings import Finding, Section, failing, ok, unknown
from operations.doctor.requests import OLD_AFTER_SECONDS
from operations.doctor.system import System

PASSES_WITHIN_SECONDS = 6.0
"""Heartbeats are a second apart: by then a stream that flows has brought one."""

MOST_OF_A_COUPON = 1_000
_PAUSE_SECONDS = 0.2

RequestKey = tuple[int, int]


def check_young(places: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable, GateUnavailable or KafkaUnavailable."""
    gate = connect_gate(places.redis_url)
    age = f"younger than {OLD_AFTER_SECONDS:.0f} s"
    with closing(connect_ledger(places.database_url, "coupon-doctor")) as connection:
        waiting = _unfinished(connection, _pending(gate, connection))
        if not waiting:
            yield ok("young requests", f"none {age} waits")
            return
        if not _passes(places, gate, read_clock_us(connection)):
            says = f"{len(waiting)} {age} wait, and the stream has not gone beyond them yet"
            yield unknown("young requests", says, "coupon doctor", Section.NOT_FINAL)
            return
        left = _unfinished(connection, waiting)
    if left:
        says = (
            f"{len(left)} {age} were passed over: a newer heartbeat came through and all that is in"
            " Kafka was handled, so they were never streamed, or are dead letters"
        )
        yield failing("young requests", says, "coupon connector recover", Section.NOT_FINAL)
    else:
        yield ok("young requests", f"{len(waiting)} {age} waited, and came through meanwhile")


def _pending(gate: Gate, connection: Connection) -> list[RequestKey]:
    """What the gate has admitted lately and not seen made final."""
    now_us = gate.now_us()
    from_us = now_us - int(OLD_AFTER_SECONDS * 1_000_000)
    return [
        request[:2]
        for coupon in list_coupons(connection)
        for request in gate.pending_before(coupon.coupon_id, now_us, MOST_OF_A_COUPON, from_us)
    ]


def _unfinished(connection: Connection, keys: Sequence[RequestKey]) -> list[RequestKey]:
    """Those of them that are rows, and not final."""
    found = find_requests(connection, keys) if keys else []
    return [request[:2] for request in found if not request.is_final]


def _passes(places: System, gate: Gate, moment_us: int) -> bool:
    def streamed() -> bool:
        heartbeat_us = read_heartbeat(gate.client)
        return heartbeat_us is not None and heartbeat_us > moment_us

    passing = StreamProgress(KafkaAdmin(places.kafka), places.consumer_group, streamed)
    until = time.monotonic() + PASSES_WITHIN_SECONDS
    while not (over := passing.is_over()) and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)
    return over
