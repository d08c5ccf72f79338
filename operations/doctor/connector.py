"""Checks of Kafka Connect: the connector, and its offsets against the slot."""

from collections.abc import Iterator
from contextlib import closing

from connectors.connect import Connect
from connectors.publication import Publication
from connectors.recovery import StreamCheck, check_stream
from connectors.register import CONNECTOR_NAME
from connectors.state import ConnectorState, read_state
from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import connect_ledger
from operations.doctor.blame import blamed, sentence
from operations.doctor.findings import Finding, Section, failing, ok, unknown, warning
from operations.doctor.system import System

_RECOVER = "coupon connector recover"
_PREPARE = "coupon up"
_NO_ENTRY = "authentication failed"


def check_connector(places: System) -> Iterator[Finding]:
    """Raises ConnectorError."""
    connect = Connect(places.connect_url)
    state = read_state(connect, CONNECTOR_NAME)
    yield connector_finding(state)
    if state is None:
        return
    try:
        with closing(connect_ledger(places.database_url, "coupon-doctor")) as connection:
            yield offsets_finding(check_stream(connect, connection))
    except LedgerUnavailable as error:
        section = blamed(error) or Section.POSTGRES_DOWN
        yield unknown("offsets", f"not beside the slot: {sentence(error)}", "coupon up", section)


def connector_finding(state: ConnectorState | None) -> Finding:
    """What the connector's state means."""
    if state is None:
        says = f"there is no connector {CONNECTOR_NAME}: accepted requests wait in the WAL"
        return failing("connector", says, _RECOVER, Section.CONNECTOR_MISSING)
    if state.is_held:
        says = f"somebody {state.state.lower()} it: accepted requests wait in the WAL"
        return failing("connector", says, _RECOVER, Section.CONNECTOR_HELD)
    if state.failure is not None and _NO_ENTRY in state.failure:
        says = f"Postgres does not let it in, its password was changed: {state.failure}"
        return failing("connector", says, _PREPARE, Section.NOT_PREPARED)
    if state.failure is not None:
        says = f"it FAILED: {state.failure}"
        return failing("connector", says, _RECOVER, Section.CONNECTOR_FAILED)
    if not state.is_running:
        tasks = ", ".join(task.state for task in state.tasks) or "no task"
        says = f"it is {state.state} with {tasks}: Connect has not started it"
        return failing("connector", says, "coupon connector restart", Section.CONNECTOR_FAILED)
    return ok("connector", "it runs, and its task")


def offsets_finding(look: StreamCheck) -> Finding:
    """What its offsets are worth, beside the slot. The publication has a check of its own."""
    look = look._replace(publication=Publication.RIGHT)
    if look.offset is None:
        says = "Kafka Connect keeps none: the connector begins at the slot, which has all since"
        return warning("offsets", says, _RECOVER, Section.OFFSETS)
    if look.slot_is_useless:
        says = "they lead nowhere without their slot"
        return failing("offsets", says, _RECOVER, Section.OFFSETS)
    if look.offset > look.slot.wal_lsn:
        return failing("offsets", str(look.gap), "coupon after-restore", Section.LEDGER_RESTORED)
    if look.gap is not None:
        return failing("offsets", look.gap, _RECOVER, Section.OFFSETS)
    return ok("offsets", "they and the slot fit together")
