"""An operator mends a cause and brings dead letters back; an outage fills no dead-letter topic."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from coupons.change_events import DEAD_LETTER_TOPIC, REQUEST_TOPIC
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from operations.dead_letters.status import read_unresolved
from stack.disposable import DisposableStack
from stack.endpoints import StackEndpoints
from stack.ports import free_ports
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline


def coupon(stack: DisposableStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    args = [sys.executable, "-m", "cli", "dead-letters", *arguments]
    return subprocess.run(
        [*args, "--state", str(stack.folder.path), "--json"],
        capture_output=True,
        text=True,
        timeout=120,
    )


def said(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@contextmanager
def constraint(stack: DisposableStack, condition: str) -> Iterator[None]:
    """Postgres refuses rows of issued_coupon that break it, until the block ends."""
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        owner.execute(f"ALTER TABLE issued_coupon ADD CONSTRAINT of_a_test CHECK ({condition})")
        try:
            yield
        finally:
            owner.execute("ALTER TABLE issued_coupon DROP CONSTRAINT IF EXISTS of_a_test")


def letters_of(stack: DisposableStack, pipeline: Pipeline, *more: str) -> list[dict[str, Any]]:
    found = said(coupon(stack, "list", "--coupon", str(pipeline.coupon.coupon_id), *more))
    assert isinstance(found, list)
    return found


def end_of_letters(stack: DisposableStack) -> int:
    servers = stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    reader = Consumer({"bootstrap.servers": servers, "group.id": "test-looks-only"})
    try:
        return reader.get_watermark_offsets(TopicPartition(DEAD_LETTER_TOPIC, 0), timeout=10)[1]
    finally:
        reader.close()


def health(port: int) -> str:
    return _get(port, "healthz")


def metrics(port: int) -> str:
    return _get(port, "metrics")


def _get(port: int, path: str) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=2) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return error.read().decode()


def test_a_poison_record_among_500_is_one_letter_until_it_is_replayed(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    """A poison record among 500 is one letter and resolved when it is replayed."""
    coupon_id = pipeline.coupon.coupon_id
    with constraint(stack, f"coupon_id <> {coupon_id} OR user_id <> 250"):
        pipeline.request(range(1, 501))
        eventually(lambda: pipeline.counts().issued == 499, FINAL_WITHIN_SECONDS)
        [letter] = eventually(lambda: letters_of(stack, pipeline), 60)
        assert (letter["user_id"], letter["error_class"]) == (250, "CheckViolation")
        assert (letter["state"], letter["status"]) == ("open", "REQUESTED")
        where = StackEndpoints(stack.folder, "ops")
        with connect_ledger(stack.environment["COUPON_DATABASE_URL"], "test") as ops:
            assert letter["letter"] in [
                each.letter.position for each in read_unresolved(where, ops)
            ]
            assert (coupon_id, letter["user_id"]) in [
                each.key for each in read_unresolved(where, ops)
            ]
    dry = said(coupon(stack, "replay", letter["letter"], "--dry-run"))
    assert [each["outcome"] for each in dry["results"]] == ["dry run"]
    done = coupon(stack, "replay", "--coupon", str(coupon_id), "--by", "alice")
    assert done.returncode == 0, done.stdout
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 500
    assert letters_of(stack, pipeline) == []
    shown = said(coupon(stack, "show", letter["letter"]))
    assert (shown["state"], shown["status"]) == ("resolved", "ISSUED")
    assert [(each["acted_by"], each["result"]) for each in shown["actions"]] == [
        ("alice", "begun"),
        ("alice", "written"),
    ]
    again = coupon(stack, "replay", letter["letter"])
    assert (again.returncode, said(again)["results"][0]["outcome"]) == (1, "skipped")


def test_a_record_that_came_back_too_often_is_parked(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    """A record that comes back as often as allowed is parked until it is said otherwise."""
    coupon_id = str(pipeline.coupon.coupon_id)

    def is_replayed(times: int) -> bool:
        return [letter["replays"] for letter in letters_of(stack, pipeline)] == [times]

    with constraint(stack, f"coupon_id <> {coupon_id} OR user_id <> 1"):
        pipeline.request([1])
        for replays in range(3):
            eventually(
                partial(is_replayed, replays),
                FINAL_WITHIN_SECONDS,
            )
            assert coupon(stack, "replay", "--coupon", coupon_id).returncode == 0
        parked = eventually(
            lambda: letters_of(stack, pipeline, "--in-state", "parked"), FINAL_WITHIN_SECONDS
        )
        refused = coupon(stack, "replay", "--coupon", coupon_id)
        assert refused.returncode == 1
        assert "--parked" in said(refused)["results"][0]["detail"]
    assert parked[0]["replays"] == 3
    assert coupon(stack, "replay", "--coupon", coupon_id, "--parked").returncode == 0
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 1


def test_a_discarded_letter_needs_a_reason_and_is_not_listed_any_more(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    with constraint(stack, f"coupon_id <> {pipeline.coupon.coupon_id}"):
        pipeline.request([1])
        [letter] = eventually(lambda: letters_of(stack, pipeline), FINAL_WITHIN_SECONDS)
        assert coupon(stack, "discard", letter["letter"]).returncode == 2
        done = said(coupon(stack, "discard", letter["letter"], "--reason", "of a test"))
        assert done["done"] == 1
        assert "verify" in done["results"][0]["detail"]
        assert letters_of(stack, pipeline) == []
    [kept] = letters_of(stack, pipeline, "--in-state", "discarded")
    assert kept["last_action"]["detail"] == "of a test"
    assert coupon(stack, "replay", letter["letter"], "--again").returncode == 0
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)


def test_who_works_on_the_letters_at_the_same_time_is_told_to_wait(stack: DisposableStack) -> None:
    with psycopg.connect(stack.environment["COUPON_DATABASE_URL"], autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(1668246884)")
        done = coupon(stack, "replay", "--all")
    assert done.returncode == 1
    assert "or `discard` is running; wait until it has ended" in done.stdout


@pytest.mark.parametrize("part", ["postgres", "kafka"])
def test_with_a_server_down_the_command_says_which_one(stack: DisposableStack, part: str) -> None:
    stack.kill(part)
    try:
        done = coupon(stack, "list")
    finally:
        stack.restart(part)
    assert done.returncode == 3
    assert part in json.loads(done.stdout)["error"]["message"].lower()
    assert "Traceback" not in done.stderr


@contextmanager
def consumer_in_its_place(stack: DisposableStack) -> Iterator[int]:
    """The member consumer-1 as a process that no command waits for; its port. Stops cleanly."""
    port = free_ports(["consumer"])["consumer"]
    environment = {
        **os.environ,
        **stack.environment,
        "COUPON_DATABASE_URL": stack.database_url("consumer"),
        "COUPON_CONSUMER_PORT": str(port),
        "COUPON_CONSUMER_INSTANCE_ID": "consumer-1",
    }
    process = subprocess.Popen([sys.executable, "-m", "cdc_consumer"], env=environment)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


def is_stopped(port: int) -> bool:
    return "stopped: " in health(port)


def test_an_outage_makes_few_dead_letters_over_restarts_too(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    """An outage sets little aside over restarts too and ends by itself when it is mended."""
    before = end_of_letters(stack)
    stack.stop("consumer-1")
    with constraint(stack, f"coupon_id <> {pipeline.coupon.coupon_id}"):
        pipeline.request(range(1, 5_001))
        with consumer_in_its_place(stack) as port:
            eventually(partial(is_stopped, port), FINAL_WITHIN_SECONDS)
            set_aside = end_of_letters(stack)
        for _ in range(2):
            with consumer_in_its_place(stack) as port:
                eventually(partial(is_stopped, port), FINAL_WITHIN_SECONDS)
                assert "coupon_consumer_stopped 1.0" in metrics(port)
                assert end_of_letters(stack) == set_aside
        with consumer_in_its_place(stack) as port:
            eventually(partial(is_stopped, port), FINAL_WITHIN_SECONDS)
            with psycopg.connect(stack.database_url("owner")) as owner:
                owner.execute("ALTER TABLE issued_coupon DROP CONSTRAINT of_a_test")
            aside = set_aside - before
            assert aside <= 500, "50 a partition at most"
            eventually(lambda: pipeline.counts().issued == 5_000 - aside, FINAL_WITHIN_SECONDS)
            eventually(lambda: '"ok"' in health(port), 60)
            assert "coupon_consumer_stopped 0.0" in metrics(port)
            if aside:
                coupon_id = str(pipeline.coupon.coupon_id)
                done = coupon(stack, "replay", "--coupon", coupon_id, "--rate", "500/s")
                assert done.returncode == 0, done.stderr
            eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 5_000
    stack.up()


def test_garbage_of_many_kinds_is_listed_and_stops_nothing(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    producer = Producer({"bootstrap.servers": stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]})
    marked = f"{time.time_ns()}"
    for value in (b"", b"\0", os.urandom(40), b"\0\0\x0f\xff\xff" + os.urandom(20), None):
        producer.produce(REQUEST_TOPIC, value, key=marked, headers={"marked": marked})
    assert producer.flush(20) == 0
    pipeline.request(range(1, 101))
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    listed: list[dict[str, Any]] = []

    def all_are_listed() -> bool:
        listed[:] = said(coupon(stack, "list", "--since", "5m"))
        return len(listed) >= 5

    eventually(all_are_listed, 60)
    assert {"UndecodableEvent"} <= {each["error_class"] for each in listed}
