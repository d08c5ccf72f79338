"""A consumer that stands still for longer than its session skips nothing: on a real Kafka."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from coupons.change_events import REQUEST_PARTITIONS, REQUEST_TOPIC
from tests.consumer.members import Member, Place
from tests.support.servers import KafkaServer

STOPS = 3
SECONDS_BETWEEN_RECORDS = 0.003


@contextmanager
def records_coming(servers: str) -> Iterator[None]:
    """Some hundred a second, to every partition in turn, while the block runs."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 1, "log_level": 2})
    stop = Event()

    def produce() -> None:
        number = 0
        while not stop.wait(SECONDS_BETWEEN_RECORDS):
            producer.produce(REQUEST_TOPIC, b"record", partition=number % REQUEST_PARTITIONS)
            producer.poll(0)
            number += 1

    thread = Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        assert producer.flush(20) == 0


def written(servers: str) -> set[Place]:
    """The places of all records on the topic."""
    reader = Consumer({"bootstrap.servers": servers, "group.id": "looks only", "log_level": 2})
    places: set[Place] = set()
    for number in range(REQUEST_PARTITIONS):
        low, high = reader.get_watermark_offsets(TopicPartition(REQUEST_TOPIC, number), 20)
        places.update((number, offset) for offset in range(low, high))
    reader.close()
    return places


@pytest.fixture
def members(kafka_server: KafkaServer, tmp_path: Path) -> Iterator[dict[str, Member]]:
    """A static and a dynamic one, each alone in a group of its own."""
    servers = kafka_server.bootstrap_servers
    started = {
        kind: Member(servers, f"{kind}-{tmp_path.name}", name, tmp_path)
        for kind, name in (("static", "consumer-1.10"), ("dynamic", "-"))
    }
    yield started
    for member in started.values():
        member.end()


def test_a_consumer_stopped_beyond_its_session_skips_nothing(
    kafka_server: KafkaServer, members: dict[str, Member]
) -> None:
    servers = kafka_server.bootstrap_servers
    with records_coming(servers):
        for _ in range(STOPS):
            for member in members.values():
                member.stop_after_more_records()
            for member in members.values():
                member.go_on_after_the_session()
    everything = written(servers)
    for kind, member in members.items():
        member.await_end_of_topic()
        missing = everything - member.handled()
        assert not missing, f"the {kind} member never handled {len(missing)} of {len(everything)}"
