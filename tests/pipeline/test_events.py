"""Events for other services: each change of an issued coupon, in order, from when they are on."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from threading import Timer

import psycopg
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from cli.main import main
from connectors.connect import Connect
from connectors.events import EVENTS_CONNECTOR, EVENTS_SLOT, read_events, start_events, stop_events
from connectors.lifecycle import await_running, resume_connector, stop_connector
from connectors.slot import drop_slot, make_slot, read_slot
from coupons.change_events import SchemaRegistry
from coupons.change_events.coupon_events import CouponEvent
from coupons.change_events.topics import EVENTS_TOPIC
from coupons.errors import LedgerUnavailable
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection, connect_ledger
from coupons.moments import parse_rfc3339
from coupons.waiting import eventually
from operations.coupon_events import follow_events, newest_events
from operations.doctor.coupon_events import check_events
from operations.doctor.findings import Finding, Level
from operations.doctor.system import System
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
        nowhere = KafkaClient("")
        database, connect = stack.database_url("ops"), self.connect.url
        self.system = System(None, None, database, "", nowhere, "", connect, "")

    def start(self) -> bool:
        return start_events(self.connect, self.kafka, self.ledger)

    def fault(self) -> str | None:
        return read_events(self.connect, self.ledger).fault

    def named(self, says: str) -> Finding | None:
        """What the doctor says, if it says this."""
        return next((each for each in check_events(self.system) if says in each.says), None)

    def offset(self) -> int | None:
        return read_events(self.connect, self.ledger).offset

    def of(self, coupon_id: int, count: int) -> list[CouponEvent]:
        """The first so many events of a coupon; it waits for them."""
        found: list[CouponEvent] = []
        until = time.monotonic() + ARRIVE_WITHIN_SECONDS
        for event in follow_events(self.kafka, self.registry, from_beginning=True):
            if isinstance(event, CouponEvent) and event.coupon_id == coupon_id:
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


def _write_garbage(events: Events) -> None:
    producer = Producer({"bootstrap.servers": events.kafka.bootstrap_servers})
    for value in (b"garbage", None):
        producer.produce(EVENTS_TOPIC, value, partition=0)
    assert producer.flush(30) == 0


def _change(pipeline: Pipeline, user: int, wanted: str, order: str | None = None) -> None:
    why = "of a test" if wanted == "revoke" else None
    values = [user, pipeline.coupon.coupon_id, wanted, order, why]
    done = pipeline.ledger.execute(
        "SELECT change_issued_coupon(%s, %s, %s, %s, %s, 'a test')", values
    ).fetchone()
    assert done == ("done",)


def test_a_record_that_cannot_be_read_is_passed_over(events: Events, pipeline: Pipeline) -> None:
    """It is named; what comes after it is read."""
    assert events.start()
    _write_garbage(events)
    _issue(pipeline, range(1, 4))
    assert len(events.of(pipeline.coupon.coupon_id, 3)) == 3
    held = newest_events(events.kafka, events.registry, 10_000)
    assert {each.user_id for each in held.newest} >= {1, 2, 3}
    assert len(held.unreadable) >= 2
    assert {each.partition for each in held.unreadable} == {0}
    assert "wire format" in held.unreadable[0].why


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
    _issue(pipeline, range(1, 3))
    assert not events.start()
    assert len(events.of(pipeline.coupon.coupon_id, 2)) == 2
    eventually(lambda: events.fault() is None, 30, "the connector runs")


def _drop_slot(events: Events) -> None:
    stop_connector(events.connect, EVENTS_CONNECTOR)
    drop_slot(events.ledger, EVENTS_SLOT)


def _make_slot_again(events: Events) -> None:
    eventually(lambda: events.offset() is not None, 60, "it has offsets")
    _drop_slot(events)
    make_slot(events.ledger, EVENTS_SLOT)


def _let_connector_make_slot(events: Events) -> None:
    _drop_slot(events)
    resume_connector(events.connect, EVENTS_CONNECTOR)
    eventually(lambda: read_slot(events.ledger, EVENTS_SLOT).exists, 30, "it makes a slot")
    await_running(events.connect, EVENTS_CONNECTOR)


def _move_offsets_ahead(events: Events) -> None:
    eventually(lambda: events.offset() is not None, 60, "it has offsets")
    stop_connector(events.connect, EVENTS_CONNECTOR)
    offsets = f"/connectors/{EVENTS_CONNECTOR}/offsets"
    kept = events.connect.call("GET", offsets)
    assert kept is not None
    kept["offsets"][0]["offset"]["lsn"] += 1 << 40
    events.connect.call("PATCH", offsets, kept)


def _delete_connector(events: Events) -> None:
    events.connect.call("DELETE", f"/connectors/{EVENTS_CONNECTOR}")
    eventually(lambda: read_events(events.connect, events.ledger).state is None, 30, "it is gone")


def _fail_connector(events: Events) -> None:
    path = f"/connectors/{EVENTS_CONNECTOR}/config"
    config = events.connect.call("GET", path)
    assert config is not None
    events.connect.call("PUT", path, {**config, "publication.name": "not_there"})


STATES: dict[str, tuple[Callable[[Events], None], bool]] = {
    "STOPPED": (lambda events: stop_connector(events.connect, EVENTS_CONNECTOR), False),
    "FAILED": (_fail_connector, False),
    "there is no connector": (_delete_connector, False),
    "there is no replication slot": (_drop_slot, True),
    "the connector created the slot": (_let_connector_make_slot, True),
    "the slot begins after": (_make_slot_again, True),
    "ahead of Postgres' WAL": (_move_offsets_ahead, True),
}
"""By what the doctor says: what leads there, and whether events may be missing then."""


@pytest.mark.parametrize("says", STATES)
def test_what_doctor_says_to_type_repairs_each_state_that_it_names(
    events: Events, pipeline: Pipeline, stack: DisposableStack, says: str
) -> None:
    """Afterwards events arrive, and the doctor names nothing more."""
    cause, is_gap = STATES[says]
    events.start()
    cause(events)
    finding = eventually(lambda: events.named(says), 60, "the doctor names it")
    assert finding is not None
    assert finding.level is Level.WARNING
    assert ("missing" in finding.says) == is_gap
    assert finding.command is not None
    typed = [*finding.command.split()[1:], "--state", str(stack.folder.path), "--json"]
    done = CliRunner().invoke(main, typed)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["begins_now"] == is_gap
    _issue(pipeline, range(1, 3))
    assert {each.user_id for each in events.of(pipeline.coupon.coupon_id, 2)} == {1, 2}
    eventually(lambda: events.named("the connector of the events"), 30, "all is well")
    assert stop_events(events.connect, events.ledger)
    assert list(check_events(events.system)) == []


def test_a_start_that_finds_an_open_transaction_is_named_and_repeated(
    events: Events, pipeline: Pipeline, stack: DisposableStack
) -> None:
    """No slot can be made before that transaction ends: the events never read as off meanwhile."""
    events.start()
    _drop_slot(events)
    url = stack.database_url("cdc")
    with psycopg.connect(url) as older, connect_ledger(url, "test", 2) as impatient:
        older.execute("SELECT pg_current_xact_id()")
        with pytest.raises(LedgerUnavailable):
            start_events(events.connect, events.kafka, impatient)
        assert not read_events(events.connect, events.ledger).is_off
        # The server gives the slot up some time after its client has.
        eventually(lambda: events.named("there is no replication slot"), 30, "doctor names it")
    assert events.start()
    _issue(pipeline, range(1, 3))
    assert len(events.of(pipeline.coupon.coupon_id, 2)) == 2


def test_offsets_of_a_connector_that_was_deleted_by_hand_are_not_used(
    events: Events, pipeline: Pipeline
) -> None:
    """Connect keeps them, and the slot that belongs to them is dropped with the next stop."""
    events.start()
    eventually(lambda: events.offset() is not None, 60, "it has offsets")
    _delete_connector(events)
    assert stop_events(events.connect, events.ledger)
    assert read_events(events.connect, events.ledger).is_off
    assert events.start()
    _issue(pipeline, range(1, 3))
    assert len(events.of(pipeline.coupon.coupon_id, 2)) == 2
    eventually(lambda: events.fault() is None, 30, "the connector runs")


def test_the_service_of_the_documents_reads_them(
    events: Events, pipeline: Pipeline, stack: DisposableStack
) -> None:
    """As it stands on the page, in a process of its own; over a record that is no event."""
    events.start()
    _write_garbage(events)
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
