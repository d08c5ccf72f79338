"""The consumer dies, shares, meets garbage and outages: nobody loses a coupon or gets two."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from confluent_kafka import Message, Producer

from coupons.change_events import DEAD_LETTER_TOPIC, REQUEST_TOPIC
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.ports import free_ports
from tests.pipeline.pipeline import (
    FINAL_WITHIN_SECONDS,
    Pipeline,
    next_record,
    read_topic,
)

SESSION_SECONDS = 240
"""After this long Kafka gives the partitions of a consumer that is silent to another one.

It is shipped with 30; a busy machine may take as long to start a consumer.
"""

LEAVES_WITHIN_SECONDS = 20
"""After this long a stack that stops kills it."""


@contextmanager
def another_consumer(stack: DisposableStack) -> Iterator[subprocess.Popen[bytes]]:
    """A second consumer of the same group, once it owns partitions."""
    port = free_ports(["consumer"])["consumer"]
    environment = {
        **os.environ,
        **stack.environment,
        "COUPON_DATABASE_URL": stack.database_url("consumer"),
        "COUPON_CONSUMER_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "cdc_consumer"], env=environment)
    try:
        eventually(lambda: owned_partitions(port) > 0, 60, "it owns partitions")
        yield process
    finally:
        process.kill()
        process.wait()


def owned_partitions(port: int) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            text = answer.read().decode()
    except (URLError, HTTPError) as error:
        raise OSError(str(error)) from error
    line = next(
        each for each in text.splitlines() if each.startswith("coupon_consumer_assigned_partitions")
    )
    return int(float(line.split()[1]))


def test_a_killed_consumer_loses_nothing_and_issues_nothing_twice(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    """A consumer killed in the middle loses nothing and issues nothing twice."""
    pipeline.request(range(1, 20_001))
    consumer = stack.pid("consumer-1")
    eventually(lambda: pipeline.counts().issued > 0, 60, "it has begun")
    os.kill(consumer, signal.SIGKILL)  # at once; a search for its children takes a while
    stack.kill("consumer-1")
    assert pipeline.counts().in_flight > 0, "it was killed too late to tell anything"
    stack.restart("consumer-1")
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 20_000


@pytest.fixture
def long_session(stack: DisposableStack) -> Iterator[dict[str, str]]:
    """The settings of consumer-1 during the test."""
    settings = {"COUPON_CONSUMER_SESSION_SECONDS": str(SESSION_SECONDS)}
    stack.restart("consumer-1", settings)
    yield settings
    stack.restart("consumer-1")


def test_a_restarted_consumer_goes_on_before_its_session_times_out(
    stack: DisposableStack, pipeline: Pipeline, long_session: dict[str, str]
) -> None:
    """A consumer killed and started again goes on before its session has timed out."""
    pipeline.request([1])
    eventually(lambda: pipeline.counts().issued == 1, 60, "it owns the partitions")
    killed_at = time.monotonic()
    stack.kill("consumer-1")
    stack.restart("consumer-1", long_session)
    pipeline.request(range(2, 1_001))
    eventually(lambda: pipeline.counts().issued == 1_000, FINAL_WITHIN_SECONDS)
    assert time.monotonic() - killed_at < SESSION_SECONDS


def test_two_consumers_share_the_partitions_and_one_may_leave_at_any_time(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    with another_consumer(stack) as second:
        pipeline.request(range(1, 10_001))
        eventually(lambda: pipeline.counts().issued > 0, 60, "they have begun")
        second.terminate()
        assert second.wait(LEAVES_WITHIN_SECONDS) == 0
        pipeline.request(range(10_001, 11_001))
        eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 11_000


def _dead_letter(servers: str, value: bytes) -> "Message[bytes, bytes]":
    """The dead letter of a record with this value."""
    found: list[Message[bytes, bytes]] = []
    reader = read_topic(servers, DEAD_LETTER_TOPIC, f"test-{time.time_ns()}")

    def is_there() -> bool:
        while (record := next_record(reader)) is not None:
            if record.value() == value:
                found.append(record)
        return bool(found)

    eventually(is_there, 30)
    reader.close()
    return found[0]


def _headers(record: "Message[bytes, bytes]") -> dict[str, str]:
    headers = record.headers()
    assert isinstance(headers, list)
    return {name: str(value, "utf-8") for name, value in headers if isinstance(value, bytes)}


def test_garbage_on_the_topic_is_a_dead_letter_and_stops_nothing(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    """Garbage on the topic is set aside with its place and stops nothing."""
    servers = stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    garbage = os.urandom(40)
    places: list[tuple[int | None, int | None]] = []
    producer = Producer({"bootstrap.servers": servers})
    pipeline.request(range(1, 1_001))
    producer.produce(
        REQUEST_TOPIC,
        garbage,
        key=b"some key",
        headers={"kept": b"yes"},
        on_delivery=lambda _, message: places.append((message.partition(), message.offset())),
    )
    assert producer.flush(20) == 0
    pipeline.request(range(1_001, 2_001))
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 2_000

    letter = _dead_letter(servers, garbage)
    headers = _headers(letter)
    [(partition, offset)] = places
    assert letter.key() == b"some key"
    assert headers["kept"] == "yes"
    assert headers["dead-letter.topic"] == REQUEST_TOPIC
    assert headers["dead-letter.partition"] == str(partition)
    assert headers["dead-letter.offset"] == str(offset)
    assert headers["dead-letter.error-class"] == "UndecodableEvent"


@pytest.mark.parametrize("part", ["valkey", "postgres"])
def test_an_outage_is_waited_out_without_a_restart_of_the_consumer(
    stack: DisposableStack, pipeline: Pipeline, part: str
) -> None:
    """An outage in the middle is waited out without a restart of the consumer."""
    consumer = stack.pid("consumer-1")
    pipeline.request(range(1, 20_001))
    eventually(lambda: pipeline.counts().issued > 0, 60, "it has begun")
    stack.kill(part)
    stack.restart(part)
    with connect_ledger(stack.environment["COUPON_DATABASE_URL"], "test") as ledger:
        pipeline.ledger = ledger
        eventually(lambda: pipeline.counts().in_flight == 0, FINAL_WITHIN_SECONDS)
        assert pipeline.counts().issued == 20_000
    assert stack.pid("consumer-1") == consumer
