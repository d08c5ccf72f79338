"""The connector of the events for other services: turned on, turned off, and its state.

It has a slot and a publication of its own, so that it can fail, and be turned off, without a claim
or a request noticing. Nothing of it exists until somebody turns it on.
"""

from pathlib import Path
from typing import NamedTuple

from connectors.connect import Connect
from connectors.connector_state import ConnectorState, read_state
from connectors.lifecycle import await_running, resume_connector, stop_connector
from connectors.offsets import forget_offsets
from connectors.register import register
from connectors.slot import Slot, drop_slot, make_slot, read_slot
from coupons.errors import ConnectorError
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection
from coupons.waiting import attempts

EVENTS_CONNECTOR = "coupon-events"
EVENTS_SLOT = "coupon_events"
EVENTS_FILE = Path(__file__).parent / f"{EVENTS_CONNECTOR}.json"

_REMOVED_WITHIN_SECONDS = 30.0
_PAUSE_SECONDS = 0.1


class EventStream(NamedTuple):
    """connector: None: there is none. slot: of the ledger, which keeps what is not streamed yet."""

    connector: ConnectorState | None
    slot: Slot

    @property
    def is_off(self) -> bool:
        """Whether nobody turned it on, or it was turned off."""
        return self.connector is None and not self.slot.exists

    @property
    def has_gap(self) -> bool:
        """Whether the slot is not the one that the events began with, or has lost its WAL."""
        slot = self.slot
        return not slot.exists or slot.is_lost or slot.made_by_connector

    @property
    def why_silent(self) -> str | None:
        """Why events do not arrive, or some are missing; None: they arrive, or it is off."""
        if self.is_off:
            return None
        if not self.slot.exists:
            return "the replication slot is gone: events since then are missing"
        if self.slot.is_lost:
            return "the slot lost its WAL: events since then are missing"
        if self.slot.made_by_connector:
            return "the slot was lost, and the connector made another one: events are missing"
        if self.connector is None:
            return "there is no connector, and the slot keeps WAL for it"
        return None if self.connector.is_running else self.connector.summary


def read_events(connect: Connect, ledger: Connection) -> EventStream:
    """The state of the events. Raises ConnectorError or LedgerUnavailable."""
    return EventStream(read_state(connect, EVENTS_CONNECTOR), read_slot(ledger, EVENTS_SLOT))


def start_events(connect: Connect, kafka: KafkaClient, ledger: Connection) -> bool:
    """Turn the events on, or repair them. Returns whether they begin at this moment.

    ledger: as coupon_cdc. Safe to repeat. They begin now when there was no slot, or it had lost its
    WAL: what was issued and changed before is not in the stream. Raises ConnectorError,
    KafkaUnavailable or LedgerUnavailable.
    """
    stream = read_events(connect, ledger)
    is_new = stream.has_gap
    if is_new:
        if stream.connector is not None:
            _remove_connector(connect)  # its offsets are of WAL that is gone
        drop_slot(ledger, EVENTS_SLOT)
        make_slot(ledger, EVENTS_SLOT)
    elif stream.connector is not None and stream.connector.is_held:
        resume_connector(connect, EVENTS_CONNECTOR)
    register(connect.url, kafka, EVENTS_FILE)
    await_running(connect, EVENTS_CONNECTOR)  # register leaves a connector that is not resumed yet
    return is_new


def stop_events(connect: Connect, ledger: Connection) -> bool:
    """Turn the events off, and let the ledger keep no WAL for them. Returns whether they were on.

    The topic and its records stay. Raises ConnectorError or LedgerUnavailable.
    """
    stream = read_events(connect, ledger)
    if stream.connector is not None:
        _remove_connector(connect)
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
