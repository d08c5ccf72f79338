"""Who is no member of the group does not look healthy, and who never will be again ends."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from cdc_consumer.kafka import consumer_settings
from cdc_consumer.membership import NotReading, not_reading
from coupons.change_events import Topic, ensure_topics
from coupons.kafka import KafkaClient
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
        assert "KafkaException" in first.log.read_text()
        eventually(second.joined, 30, "the second is a member")
        assert second.process.poll() is None


class Watched:
    """A consumer with the real settings, and what its figures say."""

    def __init__(self, servers: str, group: str) -> None:
        self.trouble: NotReading | None = NotReading("no figures yet", False)
        self.client = KafkaClient(servers).consumer(
            consumer_settings(group, None, lambda *_: None, SESSION_SECONDS, self._read)
        )
        self.client.subscribe([ONE_PARTITION])

    def _read(self, statistics: str) -> None:
        self.trouble = not_reading(statistics)

    def well(self) -> bool:
        """Whether it says that it reads what it owns."""
        self.client.poll(0.05)
        return self.trouble is None


def both_are(well: bool, two: list[Watched]) -> bool:
    """Whether both say so; each is polled, whatever the other says."""
    return [each.well() for each in two] == [well, well]


@pytest.fixture
def two(kafka_server: KafkaServer, tmp_path: Path) -> Iterator[list[Watched]]:
    """Members of a group of which one has nothing to read."""
    servers = kafka_server.bootstrap_servers
    ensure_topics(KafkaClient(servers), [Topic(ONE_PARTITION, 1)])
    first, second = Watched(servers, tmp_path.name), Watched(servers, tmp_path.name)
    with closing(first.client), closing(second.client):
        yield [first, second]


def test_members_are_unhealthy_only_while_kafka_is_away(
    kafka_server: KafkaServer, two: list[Watched]
) -> None:
    """Members are healthy with or without partitions and not while kafka is away."""
    assert both_are(False, two), "nobody knows yet"
    eventually(lambda: both_are(True, two), 30, "both are members")
    assert sorted(len(each.client.assignment()) for each in two) == [0, 1]
    kafka_server.kill()
    eventually(lambda: both_are(False, two), 30, "both see that Kafka is away")
    kafka_server.start()
    eventually(lambda: both_are(True, two), 60, "both are members again")
