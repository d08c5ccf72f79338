"""Check of the newest requests: it finds a gap as soon as the stream has passed it."""

from collections.abc import Iterator, Sequence
from contextlib import closing

from connectors.stream_progress import StreamProgress
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.gate import Gate, connect_gate
from coupons.gate.heartbeat import read_heartbeat
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import list_coupons
from coupons.ledger.requests import find_requests
from coupons.ledger.unfinished import read_clock_us
from coupons.waiting import attempts
from operations.doctor.findings import Finding, Section, failing, ok, unknown
from operations.doctor.requests import OLD_AFTER_SECONDS
from operations.doctor.system import System

PASSES_WITHIN_SECONDS = 6.0
"""Heartbeats are a second apart: within this time a running stream delivers one."""

MOST_OF_A_COUPON = 1_000
_PAUSE_SECONDS = 0.2

RequestKey = tuple[int, int]


def check_young(system: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable, RedisUnavailable or KafkaUnavailable."""
    gate = connect_gate(system.redis_url)
    age = f"younger than {OLD_AFTER_SECONDS:.0f} s"
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        waiting = _unfinished(connection, _pending(gate, connection))
        if not waiting:
            yield ok("young requests", f"none {age} waits")
            return
        if not _passes(system, gate, read_clock_us(connection)):
            says = f"{len(waiting)} {age} wait, and the stream has not passed them yet"
            yield unknown("young requests", says, "coupon doctor", Section.NOT_FINAL)
            return
        left = _unfinished(connection, waiting)
    if left:
        says = (
            f"{len(left)} {age} were passed over: a newer heartbeat came through and everything in"
            " Kafka was handled, so they were never streamed, or are dead letters"
        )
        yield failing("young requests", says, "coupon connector recover", Section.NOT_FINAL)
    else:
        yield ok("young requests", f"{len(waiting)} {age} waited, and are final now")


def _pending(gate: Gate, connection: Connection) -> list[RequestKey]:
    """Requests that the gate admitted lately and that are not final there."""
    now_us = gate.now_us()
    from_us = now_us - int(OLD_AFTER_SECONDS * 1_000_000)
    return [
        request[:2]
        for coupon in list_coupons(connection)
        for request in gate.pending_before(coupon.coupon_id, now_us, MOST_OF_A_COUPON, from_us)
    ]


def _unfinished(connection: Connection, keys: Sequence[RequestKey]) -> list[RequestKey]:
    """Those that have a row and are not final."""
    found = find_requests(connection, keys) if keys else []
    return [request[:2] for request in found if not request.is_final]


def _passes(system: System, gate: Gate, moment_us: int) -> bool:
    def streamed() -> bool:
        heartbeat_us = read_heartbeat(gate.client)
        return heartbeat_us is not None and heartbeat_us > moment_us

    progress = StreamProgress(KafkaAdmin(system.kafka, system.consumer_group), streamed)
    return any(progress.is_over() for _ in attempts(PASSES_WITHIN_SECONDS, _PAUSE_SECONDS))
