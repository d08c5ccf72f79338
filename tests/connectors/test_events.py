"""The events' slot on a Postgres server that somebody else uses too, and a slot that is lost."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from connectors.connect import Connect
from connectors.connector_state import ConnectorState, TaskState
from connectors.events import (
    EVENTS_CONNECTOR,
    EVENTS_SLOT,
    EventStream,
    read_events,
    start_events,
    stop_events,
)
from connectors.slot import drop_slot, make_slot, read_slot
from coupons.errors import ConfigurationError
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection, connect_ledger
from operations.doctor.coupon_events import events_finding
from operations.doctor.findings import Level
from tests.support.databases import Database, Databases


class EmptyConnect(Connect):
    """Has no connector. changes: what it was asked to change."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.changes: list[str] = []

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any | None:
        if method != "GET":
            self.changes.append(f"{method} {path}")
        return None


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    with closing(connect_ledger(database.url("coupon_cdc"), "test")) as connection:
        yield connection


@pytest.fixture
def of_another(databases: Databases) -> Iterator[Connection]:
    """Another database of this server, with a slot of this name."""
    with (
        databases.fresh() as other,
        closing(connect_ledger(other.url("coupon_cdc"), "test")) as connection,
    ):
        make_slot(connection, EVENTS_SLOT)
        yield connection
        drop_slot(connection, EVENTS_SLOT)


def test_a_slot_of_another_database_is_refused_and_left_alone(
    ledger: Connection, of_another: Connection
) -> None:
    """The names of slots are those of a server: a second system there must not take the first's."""
    connect = EmptyConnect()
    with pytest.raises(ConfigurationError, match="another database or plugin"):
        start_events(connect, KafkaClient(""), ledger)
    assert read_events(connect, ledger).is_off
    assert not stop_events(connect, ledger)
    assert connect.changes == []
    assert read_slot(of_another, EVENTS_SLOT).usable


@pytest.fixture
def running(ledger: Connection) -> Iterator[EventStream]:
    """Events that arrive."""
    make_slot(ledger, EVENTS_SLOT)
    state = ConnectorState(EVENTS_CONNECTOR, "RUNNING", None, [TaskState(0, "RUNNING", None)])
    yield EventStream(state, None, read_slot(ledger, EVENTS_SLOT))
    drop_slot(ledger, EVENTS_SLOT)


def test_a_slot_that_lost_its_wal_is_named(running: EventStream) -> None:
    assert running.fault is None
    lost = running.slot._replace(wal_status="lost", invalidation_reason="wal_removed")
    says = events_finding(EventStream(running.state, None, lost)).says
    assert "missing: Postgres removed WAL that the slot needs (wal_removed)" in says


def test_a_slot_that_keeps_much_wal_is_named_before_it_is_lost(running: EventStream) -> None:
    """Also while the connector runs: it may be too slow, or wait for an old transaction."""
    found = {
        kept: events_finding(
            EventStream(
                running.state, None, running.slot._replace(retained_bytes=kept, keep_bytes=100)
            )
        )
        for kept in (50, 51)
    }
    assert [each.level for each in found.values()] == [Level.OK, Level.WARNING]
    assert "Postgres keeps 51 bytes of WAL" in found[51].says
