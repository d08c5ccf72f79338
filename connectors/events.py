"""The connector of the events for other services: turned on, turned off, and its state.

It has a slot and a publication of its own, so that it can fail, and be turned off, without a claim
or a request noticing. Nothing of it exists until somebody turns it on.
"""

from pathlib import Path

from connectors.connect import Connect
from connectors.connector_state import read_state
from connectors.lifecycle import (
    await_running,
    request_restart,
    resume_connector,
    stop_connector,
)
from connectors.offsets import forget_offsets
from connectors.register import create_stopped, register
from connectors.slot import drop_slot, make_slot, read_slot, refuse_foreign
from connectors.stream_gap import Position, loss_of, mismatch_of, read_position
from coupons.errors import ConnectorError
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection
from coupons.waiting import attempts

EVENTS_CONNECTOR = "coupon-events"
EVENTS_SLOT = "coupon_events"
EVENTS_FILE = Path(__file__).parent / f"{EVENTS_CONNECTOR}.json"

_REMOVED_WITHIN_SECONDS = 30.0
_PAUSE_SECONDS = 0.1


class EventStream(Position):
    """How the events are: their connector, how far it has read, and their slot."""

    __slots__ = ()

    @property
    def is_off(self) -> bool:
        """Whether nobody turned them on, or they were turned off."""
        return self.state is None and not self.slot.usable

    @property
    def gap(self) -> str | None:
        """Why events may be missing; None when none can be.

        A connector without offsets begins at its slot, which holds every event since.
        """
        apart = None if self.offset is None else mismatch_of(self.slot, self.offset)
        return loss_of(self.slot) or apart

    @property
    def fault(self) -> str | None:
        """Why events are missing or do not arrive; None: all arrive, or they are off."""
        if self.is_off:
            return None
        if self.slot.exists and not self.slot.usable:
            return f"the slot {EVENTS_SLOT} belongs to another database or plugin: drop it there"
        if self.gap is not None:
            return f"events may be missing: {self.gap}"
        if self.state is None:
            return "events do not arrive: there is no connector, and the slot keeps WAL for it"
        return None if self.state.is_running else f"events do not arrive: {self.state.summary}"


def read_events(connect: Connect, ledger: Connection) -> EventStream:
    """The state of the events. Raises ConnectorError or LedgerUnavailable."""
    return EventStream(*read_position(connect, ledger, EVENTS_CONNECTOR, EVENTS_SLOT))


def start_events(connect: Connect, kafka: KafkaClient, ledger: Connection) -> bool:
    """Turn the events on, or repair them. Returns whether they begin at this moment.

    ledger: as coupon_cdc. Safe to interrupt and to repeat. They begin now when something may be
    missing before: there was no slot, it lost its WAL, or the offsets do not match it. Raises
    ConnectorError, KafkaUnavailable, LedgerUnavailable, or ConfigurationError for a slot of another
    database.
    """
    refuse_foreign(read_slot(ledger, EVENTS_SLOT), EVENTS_SLOT)
    if read_state(connect, EVENTS_CONNECTOR) is None:
        # Connect keeps the offsets of a connector that was deleted; they are read once it exists.
        create_stopped(connect.url, EVENTS_FILE)
    stream = read_events(connect, ledger)
    begins_now = stream.gap is not None
    if stream.fault is not None:
        # Else Connect may tell of the old failure for a while after the task was started again.
        stop_connector(connect, EVENTS_CONNECTOR)
    register(connect.url, kafka, EVENTS_FILE)
    if begins_now:
        # Until the new slot is there, there is none: whatever fails in between is named as a gap.
        drop_slot(ledger, EVENTS_SLOT)
        forget_offsets(connect, EVENTS_CONNECTOR)
        make_slot(ledger, EVENTS_SLOT)
    resume_connector(connect, EVENTS_CONNECTOR)
    await_running(connect, EVENTS_CONNECTOR)
    return begins_now


def register_event_schemas(connect: Connect) -> bool:
    """Let the connector register the schemas again that the registry lost; False: it does not run.

    It keeps in memory which id each has, until its task is restarted. Raises ConnectorError.
    """
    state = read_state(connect, EVENTS_CONNECTOR)
    if state is None or state.is_held:
        return False
    request_restart(connect, EVENTS_CONNECTOR)
    return True


def stop_events(connect: Connect, ledger: Connection) -> bool:
    """Turn the events off, and let the ledger keep no WAL for them. Returns whether they were on.

    The topic and its records stay, and so does a slot of another database. Raises ConnectorError or
    LedgerUnavailable.
    """
    stream = read_events(connect, ledger)
    if stream.state is not None:
        _remove_connector(connect)
    if stream.slot.usable:
        drop_slot(ledger, EVENTS_SLOT)
    return not stream.is_off


def _remove_connector(connect: Connect) -> None:
    """Remove it with its offsets; return when Connect no longer knows it. Raises ConnectorError."""
    stop_connector(connect, EVENTS_CONNECTOR)
    forget_offsets(connect, EVENTS_CONNECTOR)
    connect.call("DELETE", f"/connectors/{EVENTS_CONNECTOR}")
    for _ in attempts(_REMOVED_WITHIN_SECONDS, _PAUSE_SECONDS):
        if read_state(connect, EVENTS_CONNECTOR) is None:
            return
    raise ConnectorError(f"connector {EVENTS_CONNECTOR} is not removed; see Connect's log")
