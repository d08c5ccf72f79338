"""Postgres is lost and restored from a backup: what Kafka still has of it is not lost."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from benchmarks.embedded import EmbeddedStack, embedded_stack
from coupons.change_events import REQUEST_PARTITIONS, REQUEST_TOPIC
from tests.pipeline.backups import back_up, lose_and_restore
from tests.pipeline.people import People
from tests.waiting import eventually

PATIENCE_SECONDS = 120


@pytest.fixture
def own_stack() -> Iterator[EmbeddedStack]:
    """A stack that a test may lose the database of."""
    with embedded_stack() as stack:
        yield stack


def coupon(stack: EmbeddedStack, *words: str) -> tuple[int, Any, str]:
    """The exit code of a command, its JSON and what it complained of."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words, "--state", stack.folder.path, "--json"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS * 2,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "null"), done.stderr


def streamed(stack: EmbeddedStack) -> int:
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
def test_requests_that_a_backup_does_not_have_come_back_from_the_change_stream(
    own_stack: EmbeddedStack,
) -> None:
    stack = own_stack
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

    code, _, complaint = coupon(stack, "after-restore")
    assert code == 1
    assert "coupon_api" in complaint

    stack.stop("api", "reconciler")
    lose_and_restore(stack, backup)
    code, done, complaint = coupon(stack, "after-restore")
    assert code == 1, complaint
    assert done, complaint
    assert done["restored"] == 40
    assert done["unknown"] == {str(lost): 3}
    del claims.accepted[lost, 1], claims.accepted[lost, 2], claims.accepted[lost, 3]

    stack.up()
    code, done, complaint = coupon(stack, "connector", "recover", "--emit", "--wait", "100")
    assert code == 0, (done, complaint)
    code, books, complaint = coupon(stack, "verify", "--wait", "60")
    assert code == 0, (books, complaint)
    assert [each["ledger"]["issued"] for each in books["coupons"]] == [70]
    statuses = {place: claims.status(*place) for place in claims.accepted}
    assert set(statuses.values()) == {"ISSUED"}
    assert people.create_coupon(5) > lost
