"""Postgres is lost and restored from a backup: what Kafka still has of it is not lost."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from chaos.drill.operator import Operator
from coupons.change_events import REQUEST_PARTITIONS, REQUEST_TOPIC, LogReader
from coupons.kafka.client import KafkaClient
from coupons.waiting import eventually
from stack.disposable import DisposableStack, disposable_stack
from tests.pipeline.backups import back_up, put_back
from tests.pipeline.people import People

PATIENCE_SECONDS = 120
RUNBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "runbook.md"


@pytest.fixture
def own_stack() -> Iterator[DisposableStack]:
    """A stack that a test may lose the database of."""
    with disposable_stack() as stack:
        yield stack


def procedure() -> list[str]:
    """The lines of the runbook's page, in order; remarks are what a person does by hand."""
    page = RUNBOOK.read_text("utf-8").partition("### Postgres was restored from a backup")[2]
    lines = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[0].splitlines()
    return [line.strip() for line in lines if line.strip()]


def streamed(stack: DisposableStack) -> int:
    """How many change events of requests the topic holds."""
    servers = stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    reader = Consumer({"bootstrap.servers": servers, "group.id": "test"})
    places = [TopicPartition(REQUEST_TOPIC, number) for number in range(REQUEST_PARTITIONS)]
    try:
        return sum(reader.get_watermark_offsets(place, timeout=10)[1] for place in places)
    finally:
        reader.close()


class Claims:
    """Claims that were answered 202, and where their answers are to be asked for."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.accepted: dict[tuple[int, int], str] = {}

    def make(self, coupon_id: int, users: range) -> None:
        for user in users:
            answer = self.people.claim(coupon_id, user)
            assert answer.status_code == 202, answer.text
            self.accepted[coupon_id, user] = answer.headers["Location"]

    def status(self, coupon_id: int, user: int, wait: int = 0) -> str:
        answer = self.people.read(self.accepted[coupon_id, user], user, wait)
        return str(answer.json()["status"])


@pytest.mark.timeout(900)
def test_requests_missing_in_a_backup_come_back_from_the_stream(
    own_stack: DisposableStack,
) -> None:
    """By the text of the runbook's page, line by line, with everything running at first."""
    stack = own_stack
    operator = Operator(stack)
    people = People(stack)
    claims = Claims(people)
    kept = people.create_coupon(1_000)
    claims.make(kept, range(1, 21))
    eventually(lambda: claims.status(kept, 20, wait=5) == "ISSUED", PATIENCE_SECONDS)
    stack.stop("consumer-1")
    claims.make(kept, range(21, 31))  # in the backup, and not final there

    backup = back_up(stack)
    stack.up()
    lost = people.create_coupon(1_000)
    claims.make(kept, range(31, 61))
    claims.make(lost, range(1, 4))
    eventually(lambda: claims.status(lost, 3, wait=5) == "ISSUED", PATIENCE_SECONDS)
    eventually(lambda: claims.status(kept, 60, wait=5) == "ISSUED", PATIENCE_SECONDS)
    stack.stop("consumer-1")
    claims.make(kept, range(61, 71))  # not in the backup, and never consumed
    eventually(lambda: streamed(stack) == len(claims.accepted), PATIENCE_SECONDS)
    retain_from_first(stack)
    stack.up()

    refused = operator.type("coupon after-restore")
    assert refused.returncode == 1
    assert "coupon_api" in refused.stderr

    said = ""
    for line in procedure():
        if line.startswith("#"):
            put_back(stack, backup)
            assert "Postgres was restored" in operator.type("coupon up").stderr
            continue
        done = operator.type(line)
        said += done.stdout
        # Of the coupon that was made after the backup: it says so.
        expected = 1 if line.startswith("coupon after-restore") else 0
        assert done.returncode == expected, (line, done.stdout, done.stderr, stack.log_tails())
    assert "restored 40 requests" in said
    assert f"coupon {lost} was created after the backup: 3 requests are lost" in said
    assert "1 records; what is left begins at" in said
    assert said.count("may be lost") == 0
    statuses = {place: claims.status(*place) for place in claims.accepted if place[0] == kept}
    assert set(statuses.values()) == {"ISSUED"}
    assert people.create_coupon(5) > lost


@pytest.mark.timeout(600)
def test_doctor_names_the_way_back_of_a_ledger_that_went_back(own_stack: DisposableStack) -> None:
    """Whoever knows nothing of a restore, and only follows doctor, loses nothing either."""
    stack = own_stack
    operator = Operator(stack)
    people = People(stack)
    claims = Claims(people)
    coupon_id = people.create_coupon(1_000)
    claims.make(coupon_id, range(1, 11))
    eventually(lambda: claims.status(coupon_id, 10, wait=5) == "ISSUED", PATIENCE_SECONDS)
    backup = back_up(stack)
    claims.make(coupon_id, range(11, 31))
    eventually(lambda: claims.status(coupon_id, 30, wait=5) == "ISSUED", PATIENCE_SECONDS)
    stack.kill("postgres")
    put_back(stack, backup)
    stack.up(None, "--servers-only")
    typed = operator.follow()
    assert typed[0] == "coupon after-restore --stop", typed
    done = operator.type("coupon verify --wait 60")
    assert done.returncode == 0, done.stdout
    assert {claims.status(*place) for place in claims.accepted} == {"ISSUED"}


def retain_from_first(stack: DisposableStack) -> None:
    """Remove the oldest record of a partition. The backup has it, and the one after it.

    Which partitions have two of those depends on the id of the keys' schema.
    """
    servers = stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    with LogReader(KafkaClient(servers), REQUEST_TOPIC, "test") as log:
        records = (message for messages in log.read() for message in messages)
        second = [(each.timestamp()[1], each.partition()) for each in records if each.offset() == 1]
    _, partition = min(second)
    assert partition is not None
    admin = AdminClient({"bootstrap.servers": servers})
    [done] = admin.delete_records([TopicPartition(REQUEST_TOPIC, partition, 1)]).values()
    done.result(PATIENCE_SECONDS)
    # Removed for good only then: a broker that is killed before has the record again.
    removed = stack.folder.path / "kafka" / "data" / "log-start-offset-checkpoint"
    line = f"{REQUEST_TOPIC} {partition} 1"
    eventually(lambda: line in removed.read_text().splitlines(), PATIENCE_SECONDS)
