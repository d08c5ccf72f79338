"""The monitor of a running stack: it follows a rush, and goes on while Redis is down."""

from functools import partial
from typing import Any

import pytest
import requests

from benchmarks.measurements.backlog import end_of_topic
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.options import existing
from stack.ports import HOST
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline

MANY = 20_000
UNKNOWN_WITHIN_SECONDS = 20
"""It is read every 2 s; a busy machine takes longer."""


class Shown:
    """What the stack's monitor says now.

    On a busy machine each source is unknown now and then: a reading may take 1.5 s.
    """

    def __init__(self, stack: DisposableStack) -> None:
        self.url = f"http://{HOST}:{existing(stack.folder).ports['monitor']}"

    def state(self) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/state.json", timeout=5)
        answer.raise_for_status()
        state: dict[str, Any] = answer.json()
        return state

    def part_of_state(self, name: str) -> dict[str, Any]:
        """A part of the state. Raises AssertionError while it is unknown."""
        found = self.state()[name]
        assert found is not None, f"{name} is unknown"
        part: dict[str, Any] = found
        return part

    def known(self, *sources: str) -> bool:
        state = self.state()
        return all(state["sources"][source]["known"] for source in sources)

    def healthy(self) -> set[str]:
        """The parts whose process says so."""
        return {each["part"] for each in self.state()["processes"] if each["healthy"]}

    def down(self) -> list[str]:
        """The parts whose process does not answer."""
        return [each["part"] for each in self.state()["processes"] if not each["known"]]

    def read_at(self, source: str) -> str:
        """Raises AssertionError while it is unknown."""
        reading = self.state()["sources"][source]
        assert reading["known"], reading
        return str(reading["read_at"])

    def metrics(self) -> str:
        answer = requests.get(f"{self.url}/metrics", timeout=5)
        answer.raise_for_status()
        return answer.text

    def has_read_since(self, source: str, moment: str) -> bool:
        return self.read_at(source) > moment


@pytest.fixture
def shown(stack: DisposableStack) -> Shown:
    shown = Shown(stack)
    eventually(lambda: shown.known("postgres", "redis", "kafka", "connect", "dead-letters"), 30)
    return shown


def test_figures_move_during_a_rush_and_end_exact(stack: DisposableStack, shown: Shown) -> None:
    people = People(stack)
    captured = end_of_topic(stack)
    coupon_id = people.create_coupon(total_quantity=300)
    answers = people.claim_all(coupon_id, range(1, 601), threads=20)
    assert sum(answer.status_code == 202 for _, answer in answers) == 300

    def coupon() -> dict[str, Any]:
        coupons = shown.state()["coupons"]
        return next((each for each in coupons if each["coupon_id"] == str(coupon_id)), {})

    # Each source is read by itself: the last of them may have been read before the rush was over.
    exact = {"left": 0, "pending": 0, "issued": 300, "issued_in_ledger": 300}
    eventually(lambda: exact.items() <= coupon().items(), FINAL_WITHIN_SECONDS, "exact counts")
    handled = {"captured": captured + 300, "consumed": captured + 300, "lag": 0}

    def all_handled() -> bool:
        pipeline = shown.part_of_state("pipeline")
        assert handled.items() <= pipeline.items(), pipeline
        return True

    eventually(all_handled, FINAL_WITHIN_SECONDS, "exact positions")
    parts = {"api", "consumer", "reconciler", "schema-registry"}
    eventually(lambda: shown.healthy() == parts, FINAL_WITHIN_SECONDS, "all processes are healthy")
    eventually(lambda: shown.part_of_state("connector")["running"], 30, "the connector runs")
    eventually(lambda: shown.part_of_state("slot")["active"], 30, "the slot is read")
    issued = f'coupon_live_issued{{coupon="{coupon_id}"}} 300.0'
    eventually(lambda: issued in shown.metrics(), 30, "the metric is exact")


def test_records_that_wait_for_a_consumer_are_lag(
    stack: DisposableStack, shown: Shown, pipeline: Pipeline
) -> None:
    stack.stop("consumer-1")
    try:
        pipeline.request(range(1, MANY + 1))
        eventually(lambda: shown.part_of_state("pipeline")["lag"] == MANY, FINAL_WITHIN_SECONDS)
        eventually(lambda: shown.down() == ["consumer"], 30, "the consumer alone is down")
    finally:
        stack.up()
    eventually(lambda: shown.part_of_state("pipeline")["lag"] == 0, FINAL_WITHIN_SECONDS)
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)


def test_a_redis_that_is_killed_is_unknown_and_the_rest_is_shown(
    stack: DisposableStack, shown: Shown
) -> None:
    stack.kill("valkey")
    try:
        eventually(lambda: not shown.known("redis"), UNKNOWN_WITHIN_SECONDS)
        state = shown.state()
        assert state["gate"] is None
        assert state["sources"]["redis"]["unknown_since"] < state["taken_at"]
        for _ in range(2):
            read_at = eventually(lambda: shown.read_at("postgres"), 30)
            eventually(partial(shown.has_read_since, "postgres", read_at), 30)
        eventually(lambda: shown.known("kafka", "connect", "dead-letters"), 30, "they are shown")
        assert requests.get(f"{shown.url}/healthz", timeout=5).status_code == 200
    finally:
        stack.up()
    eventually(lambda: shown.known("redis"), 30)

    def all_are_available() -> bool:
        coupons = shown.part_of_state("gate")["coupons"]
        return coupons is not None and coupons["unavailable"] == 0

    eventually(all_are_available, FINAL_WITHIN_SECONDS)


def test_the_monitor_outlives_a_kafka_that_is_killed(stack: DisposableStack, shown: Shown) -> None:
    """librdkafka aborts the process of an AdminClient that lives on meanwhile."""
    monitor = stack.pid("monitor")
    stack.kill("kafka")
    try:
        eventually(lambda: not shown.known("kafka"), UNKNOWN_WITHIN_SECONDS)
        assert shown.state()["pipeline"] is None
        eventually(lambda: shown.known("postgres", "redis"), 30, "they are shown")
    finally:
        stack.up()
    eventually(lambda: shown.known("kafka", "connect", "dead-letters"), FINAL_WITHIN_SECONDS)
    eventually(lambda: shown.part_of_state("connector")["running"], FINAL_WITHIN_SECONDS)
    assert stack.pid("monitor") == monitor


def test_nothing_notices_that_the_monitor_is_stopped(stack: DisposableStack) -> None:
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=10)
    stack.kill("monitor")
    try:
        answers = people.claim_all(coupon_id, range(1, 11), threads=5)
        assert {answer.status_code for _, answer in answers} == {202}
    finally:
        stack.up()
    eventually(lambda: Shown(stack).known("postgres", "redis", "kafka"), 30)
