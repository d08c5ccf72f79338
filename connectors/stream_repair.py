"""The steps of `coupon connector recover`, in an order that leaves no gap.

It may be interrupted anywhere and repeated. First the connector is stopped and the slot is made.
Then the requests that are not final are written to the WAL again: after the slot, so that the slot
holds them. The offsets are deleted last: until then they do not match the slot, which keeps the
connector from running.
"""

from collections.abc import Sequence

from connectors.connect import Connect
from connectors.connector_state import read_state
from connectors.lifecycle import (
    CONNECTOR_NAME,
    await_running,
    resume_connector,
    stop_connector,
)
from connectors.offsets import forget_offsets, read_offset
from connectors.publication import make_publication, slot_can_be_read
from connectors.register import create_stopped, register
from connectors.republish import Notify, republish, republish_any
from connectors.slot import SLOT, drop_slot, make_slot, refuse_foreign
from connectors.stream_gap import StreamCheck, check_stream
from coupons.change_events import REQUEST_TOPIC
from coupons.errors import ConnectorError
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection, translated
from coupons.queries import query

STATEMENT_TIMEOUT = "120s"


def begin_recovery(connection: Connection) -> None:
    """Take the lock of recoveries. Raises ConnectorError when another recovery runs."""
    with translated(connection):
        row = connection.execute(
            query("begin_recovery"), {"statement_timeout": STATEMENT_TIMEOUT}
        ).fetchone()
    if row is None or not row[0]:
        raise ConnectorError("another `coupon connector recover` is running: wait until it ends")


def repair_stream(
    connect: Connect,
    connection: Connection,
    kafka: KafkaClient,
    emit: bool,
    notify: Notify,
    schemas_lost: Sequence[str] = (),
) -> int:
    """Repair what is wrong and return when the connector runs; how many requests were republished.

    connection: as coupon_cdc. emit: republish what is not final even if there is no gap.
    schemas_lost: topics whose schemas the registry lost; the connector registers them again when it
    starts without offsets. Safe to repeat. Raises ConnectorError, KafkaUnavailable,
    LedgerUnavailable or ConfigurationError.
    """
    if read_state(connect, CONNECTOR_NAME) is None:
        create_stopped(connect.url)
        notify("created the connector")
    check = check_stream(connect, connection)._replace(schemas_lost=schemas_lost)
    refuse_foreign(check.slot)
    if check.gap is None and not check.is_streaming:
        stop_connector(connect, CONNECTOR_NAME)
        check = check._replace(unreadable=not slot_can_be_read(connection, SLOT))
    if check.gap is not None:
        notify(check.gap)
        _make_slot_and_publication(connect, connection, check, notify)
    republished = republish(connection, notify) if check.gap is not None or emit else 0
    if REQUEST_TOPIC in schemas_lost and not republished and republish_any(connection):
        notify("republished a request that is final: the connector registers its schema with it")
    # Read again: when a connector is stopped, it saves its offsets.
    if check.gap is not None and read_offset(connect, CONNECTOR_NAME) is not None:
        forget_offsets(connect, CONNECTOR_NAME)
        notify("deleted the connector's offsets: it resumes from the slot")
    register(connect.url, kafka)
    resume_connector(connect, CONNECTOR_NAME)
    await_running(connect, CONNECTOR_NAME)
    notify("the connector runs")
    return republished


def _make_slot_and_publication(
    connect: Connect, connection: Connection, check: StreamCheck, notify: Notify
) -> None:
    stop_connector(connect, CONNECTOR_NAME)
    notify("stopped the connector")
    if done := make_publication(connection):
        notify(f"{done} the publication")
    if check.needs_new_slot:
        drop_slot(connection)
        make_slot(connection)
        notify("made the replication slot")
