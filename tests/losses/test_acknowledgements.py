"""No acknowledgement ever skips a record: offsets are places in a log, committed once handled.

Nothing is popped by position from a list that moves meanwhile: a partition's records keep their
offsets for ever, and what a consumer commits is the offset after the last record that it handled.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Event, Lock, Thread, current_thread

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from pydantic import SecretStr

import cdc_consumer.kafka
import cdc_consumer.loop
from cdc_consumer import bootstrap
from cdc_consumer.handling import BatchHandler
from cdc_consumer.records import Record
from cdc_consumer.settings import ConsumerSettings
from coupons.change_events import REQUEST_PARTITIONS, Topic, ensure_topics
from coupons.errors import LedgerUnavailable
from coupons.kafka.client import KafkaClient
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.ports import free_ports

WITHIN_SECONDS = 90.0
EACH = 300

Handle = Callable[[Sequence[Record]], None]


class Log:
    """A topic of the test's own, a group that reads it, and what its consumers have handled."""

    def __init__(self, stack: DisposableStack, topic: str) -> None:
        self.topic = topic
        self._where = stack.environment
        self._servers = stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
        self.handled: dict[int, set[int]] = defaultdict(set)
        self.lock = Lock()
        self.before_handling: Handle = lambda _: None
        self.written = 0
        ensure_topics(KafkaClient(self._servers), [Topic(topic, REQUEST_PARTITIONS)])

    def write(self, each: int) -> None:
        """So many records to each partition."""
        producer = Producer({"bootstrap.servers": self._servers, "log_level": 2})
        for number in range(each * REQUEST_PARTITIONS):
            producer.produce(self.topic, b"record", partition=number % REQUEST_PARTITIONS)
        assert producer.flush(WITHIN_SECONDS) == 0
        self.written += each

    def grow(self) -> int:
        """One partition more, with a record on it; its number."""
        admin = AdminClient({"bootstrap.servers": self._servers, "log_level": 2})
        [grown] = admin.create_partitions(
            [NewPartitions(self.topic, REQUEST_PARTITIONS + 1)]
        ).values()
        grown.result(WITHIN_SECONDS)

        def is_known() -> bool:
            """The broker answers before it tells clients: a producer would refuse the partition."""
            [topic] = admin.list_topics(self.topic, timeout=WITHIN_SECONDS).topics.values()
            return len(topic.partitions) > REQUEST_PARTITIONS

        eventually(is_known, WITHIN_SECONDS, "the new partition is known")
        producer = Producer({"bootstrap.servers": self._servers, "log_level": 2})
        producer.produce(self.topic, b"record", partition=REQUEST_PARTITIONS)
        assert producer.flush(WITHIN_SECONDS) == 0
        return REQUEST_PARTITIONS

    def handle(self, records: Sequence[Record]) -> None:
        """In place of the work of a batch: it is done when it is noted."""
        self.before_handling(records)
        with self.lock:
            for record in records:
                self.handled[record.partition].add(record.offset)

    @contextmanager
    def consumer(self, instance_id: str | None = None) -> Iterator[Thread]:
        """One more consumer of the group, wired as the process wires it."""
        stopping = Event()
        settings = ConsumerSettings(
            database_url=SecretStr("postgresql://nobody@127.0.0.1:9/nowhere"),
            redis_url=SecretStr(self._where["COUPON_REDIS_URL"]),
            kafka_bootstrap_servers=self._servers,
            schema_registry_url=SecretStr(self._where["COUPON_SCHEMA_REGISTRY_URL"]),
            consumer_port=free_ports(["consumer"])["consumer"],
            consumer_group=self.topic,
            consumer_instance_id=instance_id,
        )
        thread = Thread(target=bootstrap.run, args=(settings, stopping), daemon=True)
        thread.start()
        try:
            yield thread
        finally:
            stopping.set()
            thread.join(WITHIN_SECONDS)
            assert not thread.is_alive()

    def is_done(self) -> bool:
        """Whether every record was handled and its offset committed."""
        with self.lock:
            handled = {partition: set(offsets) for partition, offsets in self.handled.items()}
        committed = self.committed()
        everything = set(range(self.written))
        return all(
            handled.get(partition) == everything and committed[partition] == len(everything)
            for partition in range(REQUEST_PARTITIONS)
        )

    def committed(self) -> dict[int, int]:
        """By partition, the group's offset."""
        config = {"bootstrap.servers": self._servers, "group.id": self.topic, "log_level": 2}
        with closing(Consumer(config)) as group:
            places = [TopicPartition(self.topic, number) for number in range(REQUEST_PARTITIONS)]
            found = group.committed(places, timeout=WITHIN_SECONDS)
        return {place.partition: max(0, place.offset) for place in found}

    def assert_nothing_is_skipped(self) -> None:
        """No offset is committed beyond a record that was not handled."""
        committed = self.committed()
        with self.lock:
            for partition, offset in committed.items():
                missing = set(range(offset)) - self.handled[partition]
                assert not missing, f"partition {partition}: committed {offset} without {missing}"


@pytest.fixture
def log(
    stack: DisposableStack, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Log:
    log = Log(stack, f"losses-{free_ports(['any'])['any']}-{request.node.name[:40]}")
    monkeypatch.setattr(cdc_consumer.loop, "REQUEST_TOPIC", log.topic)
    monkeypatch.setattr(cdc_consumer.kafka, "REQUEST_TOPIC", log.topic)
    monkeypatch.setattr(BatchHandler, "handle", lambda _, records: log.handle(records))
    return log


def test_an_exception_in_a_batch_is_not_followed_by_a_commit_past_it(
    log: Log,
) -> None:
    """An exception while handling a batch is not followed by an acknowledgement that skips it."""
    failures = iter([LedgerUnavailable("away"), LedgerUnavailable("away")])

    def fail_twice(records: Sequence[Record]) -> None:
        for failure in failures:
            raise failure

    log.before_handling = fail_twice
    log.write(EACH)
    with log.consumer():
        eventually(log.is_done, WITHIN_SECONDS, "everything is handled and committed")
    log.assert_nothing_is_skipped()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_consumer_that_dies_of_an_error_has_not_acknowledged_its_batch(log: Log) -> None:
    """Not even on its way out, when it leaves the group and commits what is done."""
    failures = iter([ZeroDivisionError("a mistake of ours")])
    handled = Event()

    def die_once(records: Sequence[Record]) -> None:
        if handled.is_set():
            for failure in failures:
                raise failure
        handled.set()

    log.before_handling = die_once
    log.write(EACH)
    with log.consumer() as first:
        eventually(lambda: not first.is_alive(), WITHIN_SECONDS, "it has ended")
    log.assert_nothing_is_skipped()
    with log.consumer():
        eventually(log.is_done, WITHIN_SECONDS, "its successor has handled everything")


def test_a_rebalance_in_the_middle_of_a_batch_skips_nothing(log: Log) -> None:
    """While one consumer works on a batch, a second joins and takes half of the partitions."""
    first_batch, may_end = Event(), Event()
    workers: set[str] = set()

    def hold_the_first(records: Sequence[Record]) -> None:
        workers.add(current_thread().name)
        if not first_batch.is_set():
            first_batch.set()
            assert may_end.wait(WITHIN_SECONDS)

    def both_work() -> bool:
        log.write(1)
        return len(workers) == 2

    log.before_handling = hold_the_first
    log.write(EACH)
    with log.consumer():
        assert first_batch.wait(WITHIN_SECONDS)
        with log.consumer():
            may_end.set()
            eventually(both_work, WITHIN_SECONDS, "the partitions are shared")
            eventually(log.is_done, WITHIN_SECONDS, "everything is handled and committed")
        log.write(EACH)
        eventually(log.is_done, WITHIN_SECONDS, "one alone goes on with all of them")
    log.assert_nothing_is_skipped()


@pytest.mark.parametrize("instance_id", ["of-a-test", None], ids=["static", "dynamic"])
def test_partitions_that_come_while_no_consumer_runs_are_read(
    log: Log, instance_id: str | None
) -> None:
    log.write(EACH)
    with log.consumer(instance_id):
        eventually(log.is_done, WITHIN_SECONDS, "everything is handled and committed")
    grown = log.grow()
    with log.consumer(instance_id):
        eventually(lambda: log.handled[grown] == {0}, WITHIN_SECONDS, "the new one is read")
