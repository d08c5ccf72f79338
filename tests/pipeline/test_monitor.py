"""The monitor of a running stack: it follows a rush, and goes on while Redis is down."""

from functools import partial
from typing import Any

import pytest
import requests

from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.options import existing
from stack.ports import HOST
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline

MANY = 20_000


class Shown:
    """What the stack's monitor says now."""

    def __init__(self, stack: DisposableStack) -> None:
        self.url = f"http://{HOST}:{existing(stack.folder).ports['monitor']}"

    def state(self) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/state.json", timeout=5)
        answer.raise_for_status()
        state: dict[str, Any] = answer.json()
        return state

    def known(self, *sources: str) -> bool:
        state = self.state()
        return all(state["sources"][source]["known"] for source in sources)

    def healthy(self) -> set[str]:
        """The parts whose process says so."""
        return {each["part"] for each in self.state()["processes"] if each["healthy"]}

    def read_at(self, source: str) -> str:
        return str(self.state()["sources"][source]["read_at"])

    def has_read_since(self, source: str, moment: str) -> bool:
        return self.read_at(source) > moment


@pytest.fixture
def shown(stack: DisposableStack) -> Shown:
    shown = Shown(stack)
    eventually(lambda: shown.known("postgres", "redis", "kafka", "connect", "dead-letters"), 30)
    return shown


def test_figures_move_during_a_rush_and_end_exact(stack: DisposableStack, shown: Shown) -> None:
    people = People(stack)
    before = eventually(lambda: shown.state()["pipeline"], 30)
    coupon_id = people.create_coupon(total_quantity=300)
    answers = people.claim_all(coupon_id, range(1, 601), threads=20)
    assert sum(answer.status_code == 202 for _, answer in answers) == 300

    def coupon() -> dict[str, Any]:
        coupons = shown.state()["coupons"]
        return next((each for each in coupons if each["coupon_id"] == str(coupon_id)), {})

    # Each source is read by itself: the last of them may have been read before the rush was over.
    exact = {"left": 0, "pending": 0, "issued": 300, "issued_in_ledger": 300}
    eventually(lambda: exact.items() <= coupon().items(), FINAL_WITHIN_SECONDS, "exact counts")
    handled = {"captured": before["captured"] + 300, "consumed": before["captured"] + 300, "lag": 0}
    eventually(lambda: handled.items() <= shown.state()["pipeline"].items(), FINAL_WITHIN_SECONDS)
    parts = {"api", "consumer", "reconciler", "schema-registry"}
    eventually(lambda: shown.healthy() == parts, FINAL_WITHIN_SECONDS, "all processes are healthy")
    final = shown.state()
    assert final["connector"]["running"] is True
    assert final["slot"]["active"] is True
    metrics = requests.get(f"{shown.url}/metrics", timeout=5).text
    assert f'coupon_live_issued{{coupon="{coupon_id}"}} 300.0' in metrics


def test_records_that_wait_for_a_consumer_are_lag(
    stack: DisposableStack, shown: Shown, pipeline: Pipeline
) -> None:
    stack.stop("consumer-1")
    try:
        pipeline.request(range(1, MANY + 1))
        eventually(lambda: shown.state()["pipeline"]["lag"] == MANY, FINAL_WITHIN_SECONDS)
        down = [each for each in shown.state()["processes"] if not each["known"]]
        assert [each["part"] for each in down] == ["consumer"]
    finally:
        stack.up()
    eventually(lambda: shown.state()["pipeline"]["lag"] == 0, FINAL_WITHIN_SECONDS)
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)


def test_a_redis_that_is_killed_is_unknown_and_the_rest_is_shown(
    stack: DisposableStack, shown: Shown
) -> None:
    stack.kill("valkey")
    try:
        eventually(lambda: not shown.known("redis"), 5)
        state = shown.state()
        assert state["gate"] is None
        assert state["sources"]["redis"]["unknown_since"] < state["taken_at"]
        for _ in range(2):
            read_at = shown.read_at("postgres")
            eventually(partial(shown.has_read_since, "postgres", read_at), 10)
        assert shown.known("kafka", "connect", "dead-letters")
        assert requests.get(f"{shown.url}/healthz", timeout=5).status_code == 200
    finally:
        stack.up()
    eventually(lambda: shown.known("redis"), 30)
    eventually(lambda: shown.state()["gate"]["coupons"]["unavailable"] == 0, FINAL_WITHIN_SECONDS)


def test_the_monitor_outlives_a_kafka_that_is_killed(stack: DisposableStack, shown: Shown) -> None:
    """librdkafka aborts the process of an AdminClient that lives on meanwhile."""
    monitor = stack.pid("monitor")
    stack.kill("kafka")
    try:
        eventually(lambda: not shown.known("kafka"), 20)
        assert shown.state()["pipeline"] is None
        assert shown.known("postgres", "redis")
    finally:
        stack.up()
    eventually(lambda: shown.known("kafka", "connect", "dead-letters"), FINAL_WITHIN_SECONDS)
    eventually(lambda: shown.state()["connector"]["running"], FINAL_WITHIN_SECONDS)
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
