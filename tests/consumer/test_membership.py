"""Who is no member of the group does not look healthy, and who never will be again ends."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coupons.change_events import Topic, ensure_topics
from coupons.kafka.client import KafkaClient
from coupons.waiting import eventually
from tests.consumer.members import SESSION_SECONDS, Member
from tests.support.servers import KafkaServer

ONE_PARTITION = "of-one-partition"


def test_of_two_consumers_with_one_name_the_older_one_ends(
    kafka_server: KafkaServer, tmp_path: Path
) -> None:
    servers, group = kafka_server.bootstrap_servers, f"named-{tmp_path.name}"
    with ExitStack() as ending:
        first = Member(servers, group, "consumer-1.10", tmp_path)
        ending.callback(first.end)
        eventually(first.joined, 30, "the first is a member")
        second = Member(servers, group, "consumer-1.10", tmp_path)
        ending.callback(second.end)
        assert first.process.wait(30) == 1, "a consumer that is fenced for good has to end"
        assert "ClientFinished" in first.log.read_text()
        eventually(second.joined, 30, "the second is a member")
        assert second.process.poll() is None


class Watched:
    """A consumer in a process of its own, and what its figures say.

    Not in this process: librdkafka may wait without end for a client that it destroys after Kafka
    was killed.
    """

    def __init__(self, servers: str, group: str, output: Path) -> None:
        self._output = output
        arguments = [servers, group, str(SESSION_SECONDS), ONE_PARTITION]
        with output.open("wb") as lines:
            command = [sys.executable, "-m", "tests.consumer.watched", *arguments]
            self.process = subprocess.Popen(command, stdout=lines)

    def said(self) -> tuple[int, str]:
        """How many partitions it owns, and "reads" or why it does not."""
        lines = self._output.read_text().splitlines() or ["0 nothing yet"]
        partitions, _, state = lines[-1].partition(" ")
        return int(partitions), state

    def end(self) -> None:
        """At once."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def two(kafka_server: KafkaServer, tmp_path: Path) -> Iterator[list[Watched]]:
    """Members of a group of which one has nothing to read."""
    servers = kafka_server.bootstrap_servers
    ensure_topics(KafkaClient(servers), [Topic(ONE_PARTITION, 1)])
    started = [Watched(servers, tmp_path.name, tmp_path / name) for name in ("first", "second")]
    yield started
    for each in started:
        each.end()


def test_members_are_unhealthy_only_while_kafka_is_down(
    kafka_server: KafkaServer, two: list[Watched]
) -> None:
    """Members are healthy with or without partitions, and not while Kafka is down."""

    def both_read() -> bool:
        return [each.said()[1] for each in two] == ["reads", "reads"]

    def none_reads() -> bool:
        return all(each.said()[1] != "reads" for each in two)

    def one_has_the_partition() -> bool:
        return both_read() and sorted(each.said()[0] for each in two) == [0, 1]

    eventually(one_has_the_partition, 30, "both are members")
    kafka_server.kill()
    try:
        eventually(none_reads, 30, "both see that Kafka is down")
    finally:
        kafka_server.start()
    eventually(both_read, 60, "both are members again")
