"""A backlog: handled by the consumer alone, and drained from the WAL to the marks in Redis."""

import time
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import NamedTuple

import psutil
import psycopg
from confluent_kafka import Consumer, TopicPartition

from benchmarks.harness.usage import PARTS, per_item, read_parts
from benchmarks.load.coupons import create_coupon
from benchmarks.load.issued import issued_count
from coupons.change_events import REQUEST_TOPIC
from coupons.gate import connect_gate
from stack.disposable import DisposableStack

STREAMED_WITHIN_SECONDS = 300.0
HANDLED_WITHIN_SECONDS = 300.0
FIRST_USER = 10**12


class Backlog(NamedTuple):
    """events_per_s: from the end of the first tenth to the last event. resident_mib: the peak.

    streamed_per_s: from the commit of all rows until all were on the topic. consumed_us,
    streamed_us: microseconds of one core for an event, by part, during those two times.
    """

    events: int
    events_per_s: float
    resident_mib: float
    streamed_per_s: float
    consumed_us: Mapping[str, float]
    streamed_us: Mapping[str, float]


class Drained(NamedTuple):
    """A backlog collected while Connect was down, from the WAL to the marks in Redis.

    rows_per_s: from the first to the last row that was issued and marked. start_seconds: from the
    start of Connect until the first row. in_all_seconds: from the start of Connect until the last.
    """

    rows: int
    rows_per_s: float
    start_seconds: float
    in_all_seconds: float


def measure_drain(stack: DisposableStack, rows: int) -> Drained:
    """Write requests while Connect is down, start it, and wait until all are issued and marked."""
    stack.stop("connect")
    coupon_id = create_coupon(stack)
    _write_requests(stack, coupon_id, rows)
    gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
    starting = Thread(target=stack.up)
    began = time.monotonic()
    starting.start()
    first: tuple[float, int] | None = None
    marked = 0
    while marked < rows:
        now = time.monotonic()
        if now - began > HANDLED_WITHIN_SECONDS:
            raise TimeoutError(f"{marked} of {rows} requests were issued and marked in time")
        figures = gate.figures([coupon_id])[0]
        marked = figures.issued if figures else 0
        if first is None and marked:
            first = (now, marked)
        time.sleep(0.05)
    ended = time.monotonic()
    starting.join()
    with psycopg.connect(stack.database_url("ops"), autocommit=True) as connection:
        assert issued_count(connection, coupon_id) == rows
    assert first is not None
    rate = (rows - first[1]) / (ended - first[0])
    return Drained(rows, rate, first[0] - began, ended - began)


def measure_backlog(
    stack: DisposableStack,
    events: int,
    consumers: Sequence[str] = ("consumer-1",),
    settings: Mapping[str, str] | None = None,
) -> Backlog:
    """Write requests while no consumer runs, then start these consumers and time them.

    settings: COUPON_* variables of the consumers.
    """
    stack.stop(*consumers)
    coupon_id = create_coupon(stack)
    before = end_of_topic(stack)
    _write_requests(stack, coupon_id, events)
    began, spent = time.monotonic(), read_parts(stack)
    while end_of_topic(stack) < before + events:
        if time.monotonic() - began > STREAMED_WITHIN_SECONDS:
            raise TimeoutError(f"Debezium did not stream {events} rows in time")
        time.sleep(0.1)
    streamed = time.monotonic() - began
    streamed_us = per_item(spent, read_parts(stack), events)
    with psycopg.connect(stack.database_url("ops"), autocommit=True) as connection:
        consumed = _time_consumers(stack, connection, coupon_id, events, consumers, settings)
    return Backlog(
        events,
        consumed.per_s,
        consumed.resident_mib,
        events / streamed,
        consumed.microseconds,
        streamed_us,
    )


class _Consumed(NamedTuple):
    per_s: float
    resident_mib: float
    microseconds: Mapping[str, float]


def _time_consumers(
    stack: DisposableStack,
    connection: psycopg.Connection,
    coupon_id: int,
    events: int,
    consumers: Sequence[str],
    settings: Mapping[str, str] | None,
) -> _Consumed:
    starting = Thread(target=stack.up, args=(settings,))
    starting.start()
    began = time.monotonic()
    first: tuple[float, int, dict[str, float]] | None = None
    peak = 0
    handled = 0
    while handled < events:
        now = time.monotonic()
        if now - began > HANDLED_WITHIN_SECONDS:
            raise TimeoutError(f"{handled} of {events} events were handled in time")
        handled = issued_count(connection, coupon_id)
        if first is None and handled >= events / 10:
            first = (now, handled, read_parts(stack, {*PARTS, *consumers}))
        if handled:
            peak = max(peak, psutil.Process(stack.pid(consumers[0])).memory_info().rss)
        time.sleep(0.02)
    ended, spent = time.monotonic(), read_parts(stack, {*PARTS, *consumers})
    starting.join()
    assert first is not None
    rest = events - first[1]
    return _Consumed(rest / (ended - first[0]), peak / 2**20, per_item(first[2], spent, rest))


def _write_requests(stack: DisposableStack, coupon_id: int, rows: int) -> None:
    with psycopg.connect(stack.database_url("owner")) as owner:
        owner.execute(
            "INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)"
            " SELECT %s, %s + n, clock_timestamp() FROM generate_series(1, %s) AS n",
            [coupon_id, FIRST_USER, rows],
        )


def end_of_topic(stack: DisposableStack) -> int:
    """The end offsets of the request topic's partitions, added up."""
    consumer = Consumer(
        {
            "bootstrap.servers": stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": "benchmark-reads-offsets",
        }
    )
    try:
        [topic] = consumer.list_topics(REQUEST_TOPIC, timeout=10).topics.values()
        return sum(
            consumer.get_watermark_offsets(TopicPartition(REQUEST_TOPIC, each), timeout=10)[1]
            for each in topic.partitions
        )
    finally:
        consumer.close()
