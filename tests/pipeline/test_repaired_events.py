"""Each state in which no events arrive is named, and what is said to type repairs it."""

import json
from collections.abc import Callable

import psycopg
import pytest
from click.testing import CliRunner

from cli.main import main
from connectors.events import EVENTS_CONNECTOR, EVENTS_SLOT, read_events, start_events, stop_events
from connectors.lifecycle import await_running, resume_connector, stop_connector
from connectors.slot import drop_slot, make_slot, read_slot
from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from operations.doctor.coupon_events import check_events
from operations.doctor.findings import Level
from stack.disposable import DisposableStack
from tests.pipeline.events import Events, issue
from tests.pipeline.pipeline import Pipeline


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
    issue(pipeline, range(1, 3))
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
    issue(pipeline, range(1, 3))
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
    issue(pipeline, range(1, 3))
    assert len(events.of(pipeline.coupon.coupon_id, 2)) == 2
    eventually(lambda: events.fault() is None, 30, "the connector runs")
