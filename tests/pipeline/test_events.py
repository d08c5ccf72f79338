"""Events for other services: each change of an issued coupon, in order, from when they are on."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from threading import Timer

import pytest

from connectors.connect import Connect
from connectors.events import EVENTS_CONNECTOR, EVENTS_SLOT, read_events, start_events, stop_events
from connectors.lifecycle import await_running, resume_connector, stop_connector
from connectors.slot import drop_slot, read_slot
from coupons.change_events import SchemaRegistry
from coupons.change_events.coupon_events import CouponEvent
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection, connect_ledger
from coupons.waiting import eventually
from operations.coupon_events import follow_events, held_events
from operations.doctor.coupon_events import events_finding
from stack.disposable import DisposableStack
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline
from tests.support.typed import ROOT

PAGE = ROOT / "docs" / "how-to" / "events.md"
ARRIVE_WITHIN_SECONDS = 120.0
"""From the call, however long the connector needs to begin; a run of tests allows 300 s."""


class Events:
    """The events of one stack."""

    def __init__(self, stack: DisposableStack, ledger: Connection) -> None:
        where = stack.environment
        self.connect = Connect(where["COUPON_CONNECT_URL"])
        self.kafka = KafkaClient(where["COUPON_KAFKA_BOOTSTRAP_SERVERS"])
        self.registry = SchemaRegistry(where["COUPON_SCHEMA_REGISTRY_URL"])
        self.ledger = ledger

    def start(self) -> bool:
        return start_events(self.connect, self.kafka, self.ledger)

    def why_silent(self) -> str | None:
        return read_events(self.connect, self.ledger).why_silent

    def of(self, coupon_id: int, count: int) -> list[CouponEvent]:
        """The first so many events of a coupon; it waits for them."""
        found: list[CouponEvent] = []
        until = time.monotonic() + ARRIVE_WITHIN_SECONDS
        for event in follow_events(self.kafka, self.registry, from_beginning=True):
            if event is not None and event.coupon_id == coupon_id:
                found.append(event)
            if len(found) >= count or time.monotonic() > until:
                break
        return found


@pytest.fixture
def events(stack: DisposableStack) -> Iterator[Events]:
    """Off before and after the test."""
    with connect_ledger(stack.database_url("cdc"), "test", 60) as ledger:
        found = Events(stack, ledger)
        assert read_events(found.connect, ledger).is_off
        yield found
        stop_events(found.connect, ledger)
        assert read_events(found.connect, ledger).is_off
        assert not read_slot(ledger, EVENTS_SLOT).exists


def _issue(pipeline: Pipeline, users: range) -> None:
    pipeline.request(users)
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS, "all are issued")


def _change(pipeline: Pipeline, user: int, wanted: str, order: str | None = None) -> None:
    why = "of a test" if wanted == "revoke" else None
    values = [user, pipeline.coupon.coupon_id, wanted, order, why]
    done = pipeline.ledger.execute(
        "SELECT change_issued_coupon(%s, %s, %s, %s, %s, 'a test')", values
    ).fetchone()
    assert done == ("done",)


def test_each_change_is_an_event_in_its_order(events: Events, pipeline: Pipeline) -> None:
    """Those of one user's coupon come in the order in which they happened, and none is missing."""
    assert events.start()
    _issue(pipeline, range(1, 4))
    for order in ("a", "b"):
        for wanted in ("use", "cancel_use"):
            _change(pipeline, 1, wanted, order)
    _change(pipeline, 1, "use", "c")
    _change(pipeline, 2, "revoke")
    found = events.of(pipeline.coupon.coupon_id, 9)
    kinds = {user: [each.kind for each in found if each.user_id == user] for user in (1, 2, 3)}
    again = ["used", "use-cancelled"]
    assert kinds == {
        1: ["issued", *again, *again, "used"],
        2: ["issued", "revoked"],
        3: ["issued"],
    }
    first = [each for each in found if each.user_id == 1]
    assert [each.number for each in first] == list(range(6))
    times = [datetime.fromisoformat(each.at) for each in first]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert first[-1].as_cloud_event()["data"]["order_reference"] == "c"
    assert set(found) <= set(held_events(events.kafka, events.registry))
    eventually(lambda: events.why_silent() is None, 30, "the connector runs")


def test_events_go_on_without_a_gap_after_a_pause(events: Events, pipeline: Pipeline) -> None:
    """What happened meanwhile comes when the advice of the doctor was typed."""
    assert events.start()
    stop_connector(events.connect, EVENTS_CONNECTOR)
    finding = events_finding(read_events(events.connect, events.ledger))
    assert "STOPPED" in finding.says
    assert finding.command == "coupon events start"
    _issue(pipeline, range(1, 3))
    assert not events.start()
    assert len(events.of(pipeline.coupon.coupon_id, 2)) == 2
    assert events.why_silent() is None


@pytest.mark.parametrize("resumed", [False, True])
def test_a_lost_slot_is_named_and_events_begin_again(
    events: Events, pipeline: Pipeline, resumed: bool
) -> None:
    """Also when the connector made another one by itself, and runs as if nothing was missing."""
    events.start()
    stop_connector(events.connect, EVENTS_CONNECTOR)
    drop_slot(events.ledger, EVENTS_SLOT)
    _issue(pipeline, range(1, 3))
    if resumed:
        resume_connector(events.connect, EVENTS_CONNECTOR)
        eventually(lambda: read_slot(events.ledger, EVENTS_SLOT).exists, 30, "it makes a slot")
        await_running(events.connect, EVENTS_CONNECTOR)
    assert "missing" in str(events.why_silent())
    assert events.start()
    _issue(pipeline, range(3, 5))
    assert {each.user_id for each in events.of(pipeline.coupon.coupon_id, 2)} == {3, 4}
    assert events.why_silent() is None


def test_the_service_of_the_documents_reads_them(
    events: Events, pipeline: Pipeline, stack: DisposableStack
) -> None:
    """As it stands on the page, in a process of its own."""
    events.start()
    _issue(pipeline, range(1, 3))
    _change(pipeline, 2, "use", "order-17")
    program = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert program is not None
    wanted = {f"{user} {pipeline.coupon.coupon_id} 0 issued" for user in (1, 2)}
    wanted.add(f"2 {pipeline.coupon.coupon_id} 1 used")
    with subprocess.Popen(
        [sys.executable, "-c", program[1]],
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        deadline = Timer(ARRIVE_WITHIN_SECONDS, service.kill)
        deadline.start()
        try:
            for line in service.stdout:
                wanted.discard(line.strip())
                if not wanted:
                    break
        finally:
            deadline.cancel()
            service.kill()
    assert not wanted, "the service ended, or was too slow"
