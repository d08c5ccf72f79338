"""Events for other services: each change of an issued coupon, in order, from when they are on."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from threading import Timer

from confluent_kafka import Producer

from connectors.events import EVENTS_CONNECTOR
from connectors.lifecycle import stop_connector
from coupons.change_events.topics import EVENTS_TOPIC
from coupons.moments import parse_rfc3339
from coupons.waiting import eventually
from operations.coupon_events import newest_events
from stack.disposable import DisposableStack
from tests.pipeline.events import ARRIVE_WITHIN_SECONDS, Events, change, issue
from tests.pipeline.pipeline import Pipeline
from tests.support.typed import ROOT

PAGE = ROOT / "docs" / "how-to" / "events.md"


def _write_garbage(events: Events) -> None:
    producer = Producer({"bootstrap.servers": events.kafka.bootstrap_servers})
    for value in (b"garbage", None):
        producer.produce(EVENTS_TOPIC, value, partition=0)
    assert producer.flush(30) == 0


def test_a_record_that_cannot_be_read_is_passed_over(events: Events, pipeline: Pipeline) -> None:
    """It is named; what comes after it is read."""
    assert events.start()
    _write_garbage(events)
    issue(pipeline, range(1, 4))
    assert len(events.of(pipeline.coupon.coupon_id, 3)) == 3
    held = newest_events(events.kafka, events.registry, 10_000)
    assert {each.user_id for each in held.newest} >= {1, 2, 3}
    assert len(held.unreadable) >= 2
    assert {each.partition for each in held.unreadable} == {0}
    assert "wire format" in held.unreadable[0].why


def test_each_change_is_an_event_in_its_order(events: Events, pipeline: Pipeline) -> None:
    """Those of one user's coupon come in the order in which they happened, and none is missing."""
    assert events.start()
    issue(pipeline, range(1, 4))
    for order in ("a", "b"):
        for wanted in ("use", "cancel_use"):
            change(pipeline, 1, wanted, order)
    change(pipeline, 1, "use", "c")
    change(pipeline, 2, "revoke")
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
    assert all(
        parse_rfc3339(earlier.at) <= parse_rfc3339(later.at) for earlier, later in pairwise(first)
    )
    assert first[-1].as_cloud_event()["data"]["order_reference"] == "c"
    held, newest, unreadable = newest_events(events.kafka, events.registry, 10_000)
    assert held == len(newest) + len(unreadable)
    assert set(found) <= set(newest)
    newest = newest_events(events.kafka, events.registry, 3).newest
    assert [(each.user_id, each.kind) for each in newest] == [
        (1, "use-cancelled"),
        (1, "used"),
        (2, "revoked"),
    ]
    eventually(lambda: events.fault() is None, 30, "the connector runs")


def test_events_go_on_without_a_gap_after_a_pause(events: Events, pipeline: Pipeline) -> None:
    """What happened meanwhile comes when they are started again."""
    assert events.start()
    stop_connector(events.connect, EVENTS_CONNECTOR)
    issue(pipeline, range(1, 3))
    assert not events.start()
    assert len(events.of(pipeline.coupon.coupon_id, 2)) == 2
    eventually(lambda: events.fault() is None, 30, "the connector runs")


def test_the_service_of_the_documents_reads_them(
    events: Events, pipeline: Pipeline, stack: DisposableStack
) -> None:
    """As it stands on the page, in a process of its own; over a record that is no event."""
    events.start()
    _write_garbage(events)
    issue(pipeline, range(1, 3))
    change(pipeline, 2, "use", "order-17")
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
