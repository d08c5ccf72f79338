"""The way back from a gap between the ledger and the change stream.

The order makes it safe to be interrupted anywhere and run again, and leaves no request between two
steps: the connector is stopped, the slot is made, the requests that are not final are written to
the WAL again (after the slot, so that it has them), and only then the offsets are forgotten, whose
mismatch with the slot keeps the connector from running until then.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from connectors.connect import Connect
from connectors.offsets import forget_offsets, read_offset, resume_connector, stop_connector
from connectors.publication import Publication, make_publication, read_publication, slot_can_be_read
from connectors.register import CONNECTOR_NAME, await_running, create_stopped, register
from connectors.slot import SLOT, Slot, drop_slot, make_slot, read_slot, refuse_foreign
from connectors.state import ConnectorState, read_state
from coupons.errors import ConnectorError
from coupons.kafka import KafkaClient
from coupons.ledger.connection import Connection, int_array, translated
from coupons.queries import query

PAGE_ROWS = 5_000
PATIENCE = "120s"
AHEAD = (
    "the connector's offsets are ahead of Postgres' WAL: Postgres was restored from a backup, or is"
    " another one"
)

Tell = Callable[[str], None]


class StreamCheck(NamedTuple):
    """The connector (None: there is none), how far it has come (LSN), and its slot.

    unreadable: the slot's WAL is of a time when there was no publication. schemas_lost: topics that
    hold records, and whose schemas the registry does not have any more.
    """

    state: ConnectorState | None
    offset: int | None
    slot: Slot
    publication: Publication = Publication.RIGHT
    unreadable: bool = False
    schemas_lost: Sequence[str] = ()

    @property
    def gap(self) -> str | None:
        """Why rows may be missing in the change stream; None when they cannot."""
        slot, offset = self.slot, self.offset
        if not slot.exists:
            return "there is no replication slot"
        if slot.is_lost:
            return f"Postgres removed WAL that the slot needs ({slot.invalidation_reason})"
        if self.publication is Publication.MISSING:
            return "there was no publication: nothing was streamed meanwhile"
        if self.publication is Publication.WRONG:
            return "the publication was changed: not every request was streamed meanwhile"
        if self.unreadable:
            return "the slot begins at a time when there was no publication"
        if slot.made_by_connector:
            return "the slot was made by the connector itself, and not before the requests"
        if offset is None or slot.confirmed_lsn is None:
            return "Kafka Connect has no offsets of the connector"
        if offset < slot.confirmed_lsn:
            return "the slot begins after the connector's offsets: it was made anew, or moved ahead"
        if offset > slot.wal_lsn:
            return AHEAD
        if self.schemas_lost:
            return f"the schema registry lost the schemas of {', '.join(self.schemas_lost)}"
        return None

    @property
    def slot_is_useless(self) -> bool:
        """Whether another one is needed."""
        slot = self.slot
        lost = not slot.exists or slot.is_lost or slot.made_by_connector
        return lost or self.unreadable or self.publication is Publication.MISSING


class NotFinal(NamedTuple):
    """Requests that have no final status."""

    requests: int
    oldest: datetime | None


def check_stream(connect: Connect, connection: Connection) -> StreamCheck:
    """Raises ConnectorError or LedgerUnavailable."""
    before = read_slot(connection)
    state = read_state(connect, CONNECTOR_NAME)
    offset = None if state is None else read_offset(connect, CONNECTOR_NAME)
    # While rows are written the offsets grow: no less than the slot, no more than the WAL.
    slot = before._replace(wal_lsn=read_slot(connection).wal_lsn)
    return StreamCheck(state, offset, slot, read_publication(connection))


def count_not_final(
    connection: Connection,
    before: datetime | None = None,
    coupon_ids: Sequence[int] | None = None,
) -> NotFinal:
    """Requests of before that moment (default: now), of these coupons (default: of all).

    Reads every request of them. Raises LedgerUnavailable.
    """
    of_coupons = None if coupon_ids is None else int_array(coupon_ids)
    values = {"before": before or datetime.now(UTC), "coupon_ids": of_coupons}
    with translated(connection):
        row = connection.execute(query("count_not_final"), values).fetchone()
    assert row is not None
    return NotFinal(*row)


def begin_recovery(connection: Connection) -> None:
    """Raises ConnectorError when somebody else recovers just now."""
    with translated(connection):
        row = connection.execute(
            query("begin_recovery"), {"statement_timeout": PATIENCE}
        ).fetchone()
    if row is None or not row[0]:
        raise ConnectorError("another `coupon connector recover` is at work: wait until it is done")


def recover(
    connect: Connect,
    connection: Connection,
    kafka: KafkaClient,
    emit: bool,
    tell: Tell,
    schemas_lost: Sequence[str] = (),
) -> int:
    """Mend what is wrong, and return when the connector runs; how many requests were republished.

    connection: as coupon_cdc. emit: write again what is not final even if there is no gap.
    schemas_lost: topics whose schemas the connector is to register anew, which it does when it
    begins. Safe to repeat. Raises ConnectorError, KafkaUnavailable, LedgerUnavailable or
    ConfigurationError.
    """
    if read_state(connect, CONNECTOR_NAME) is None:
        create_stopped(connect.url)
        tell("created the connector")
    look = check_stream(connect, connection)._replace(schemas_lost=schemas_lost)
    refuse_foreign(look.slot)
    if look.gap is None and not _reads(look):
        stop_connector(connect, CONNECTOR_NAME)
        look = look._replace(unreadable=not slot_can_be_read(connection, SLOT))
    republished = 0
    if look.gap is not None:
        tell(look.gap)
        stop_connector(connect, CONNECTOR_NAME)
        tell("stopped the connector")
        if done := make_publication(connection):
            tell(f"{done} the publication" if done == "made" else "put the publication in order")
        if look.slot_is_useless:
            drop_slot(connection)
            make_slot(connection)
            tell("made the replication slot")
    if look.gap is not None or emit:
        republished = republish(connection, tell)
    # Asked again: a connector that is stopped writes down how far it came, which may be news.
    if look.gap is not None and read_offset(connect, CONNECTOR_NAME) is not None:
        forget_offsets(connect, CONNECTOR_NAME)
        tell("made the connector forget its offsets: it begins at the slot")
    register(connect.url, kafka)
    resume_connector(connect, CONNECTOR_NAME)
    await_running(connect, CONNECTOR_NAME)
    tell("the connector runs")
    return republished


def _reads(look: StreamCheck) -> bool:
    """Whether the connector makes progress with its slot. One that is held may: nobody tried."""
    state, slot = look.state, look.slot
    if state is None or state.is_held or not slot.exists:
        return True
    return state.is_running and bool(slot.active)


def republish(connection: Connection, tell: Tell) -> int:
    """Write every request that is not final to the WAL again; return how many.

    Page by page, each a transaction. What is written again twice is handled twice, and issued once.
    """
    key, read, republished = (0, 0), 0, 0
    while True:
        values = {"coupon_id": key[0], "user_id": key[1], "page_size": PAGE_ROWS}
        with translated(connection):
            row = connection.execute(query("republish"), values).fetchone()
        assert row is not None
        if row[0] is None:
            tell(f"wrote {republished} of {read} requests again: those without a final status")
            return republished
        key, read, republished = (row[0], row[1]), read + row[2], republished + row[3]
        if read % (PAGE_ROWS * 20) == 0:
            tell(f"read {read} requests, wrote {republished} again")
