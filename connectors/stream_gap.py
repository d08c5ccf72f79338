"""Whether rows may be missing in the change stream: offsets, slot and publication compared."""

from collections.abc import Sequence
from typing import NamedTuple

from connectors.connect import Connect
from connectors.connector_state import ConnectorState, read_state
from connectors.lifecycle import CONNECTOR_NAME
from connectors.offsets import read_offset
from connectors.publication import Publication, read_publication
from connectors.slot import SLOT, Slot, read_slot
from coupons.ledger.connection import Connection

AHEAD = (
    "the connector's offsets are ahead of Postgres' WAL: Postgres was restored from a backup, or is"
    " another server"
)


def loss_of(slot: Slot) -> str | None:
    """Why the slot cannot deliver what it has to; None when it can."""
    if not slot.exists:
        return "there is no replication slot"
    if slot.is_lost:
        return f"Postgres removed WAL that the slot needs ({slot.invalidation_reason})"
    if slot.made_by_connector:
        return "the connector created the slot itself: rows from before may be missing"
    return None


def mismatch_of(slot: Slot, offset: int) -> str | None:
    """Why a connector that has read up to `offset` (LSN) cannot continue with this slot."""
    if slot.confirmed_lsn is not None and offset < slot.confirmed_lsn:
        return "the slot begins after the connector's offsets: it was recreated or advanced"
    return AHEAD if offset > slot.wal_lsn else None


class Position(NamedTuple):
    """A connector (None: there is none), how far it has read (LSN), and its slot."""

    state: ConnectorState | None
    offset: int | None
    slot: Slot


class StreamCheck(NamedTuple):
    """The connector (None: there is none), how far it has read (LSN), and its slot.

    unreadable: the slot begins with WAL that was written while there was no publication.
    schemas_lost: topics that hold records and whose schemas the registry has lost.
    """

    state: ConnectorState | None
    offset: int | None
    slot: Slot
    publication: Publication = Publication.RIGHT
    unreadable: bool = False
    schemas_lost: Sequence[str] = ()

    @property
    def gap(self) -> str | None:
        """Why rows may be missing in the change stream; None when none can be missing."""
        slot, offset = self.slot, self.offset
        if lost := loss_of(slot):
            return lost
        if self.publication is Publication.MISSING:
            return "there was no publication: nothing was streamed meanwhile"
        if self.publication is Publication.WRONG:
            return "the publication was changed: not every request was streamed meanwhile"
        if self.unreadable:
            return "the slot begins at a time when there was no publication"
        if offset is None or slot.confirmed_lsn is None:
            return "Kafka Connect has no offsets of the connector"
        if apart := mismatch_of(slot, offset):
            return apart
        if self.schemas_lost:
            return f"the schema registry lost the schemas of {', '.join(self.schemas_lost)}"
        return None

    @property
    def needs_new_slot(self) -> bool:
        """Whether the slot is missing, or cannot deliver what it has to."""
        lost = loss_of(self.slot) is not None
        return lost or self.unreadable or self.publication is Publication.MISSING

    @property
    def is_streaming(self) -> bool:
        """Whether the connector reads its slot; also True when it is paused,
        stopped or missing.

        That is: there is no connector, somebody paused or stopped it, or there is no slot.
        """
        if self.state is None or self.state.is_held or not self.slot.exists:
            return True
        return self.state.is_running and bool(self.slot.active)


def check_stream(connect: Connect, connection: Connection) -> StreamCheck:
    """Read all of it. Raises ConnectorError or LedgerUnavailable."""
    position = read_position(connect, connection, CONNECTOR_NAME, SLOT)
    return StreamCheck(*position, read_publication(connection))


def read_position(connect: Connect, connection: Connection, name: str, slot: str) -> Position:
    """Of a connector and its slot, by name. Raises ConnectorError or LedgerUnavailable."""
    before = read_slot(connection, slot)
    state = read_state(connect, name)
    offset = None if state is None else read_offset(connect, name)
    # Offsets grow while rows are written: at least the slot's position, at most the WAL's.
    now = read_slot(connection, slot).wal_lsn
    return Position(state, offset, before._replace(wal_lsn=now))
