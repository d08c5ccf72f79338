"""Checks of the change stream: connector, its offsets, schemas, newest heartbeat."""

from collections.abc import Iterator
from contextlib import closing

from connectors.connect import Connect
from connectors.connector_state import ConnectorState, read_state
from connectors.lifecycle import CONNECTOR_NAME
from connectors.publication import Publication
from connectors.schemas import check_schemas, lost_schemas
from connectors.stream_gap import StreamCheck, check_stream
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.errors import LedgerUnavailable
from coupons.gate import connect_gate
from coupons.gate.heartbeat import read_heartbeat
from coupons.ledger.connection import connect_ledger
from operations.doctor.commands import StackCommand, resolve
from operations.doctor.findings import Finding, Section, failing, ok, unknown, warning
from operations.doctor.runbook_sections import runbook_section, sentence
from operations.doctor.system import System

OLD_HEARTBEAT_SECONDS = 15.0
"""The connector writes a heartbeat every second; a rebalance of consumers takes some seconds."""
_RECOVER = "coupon connector recover"
_SET_PASSWORD = StackCommand(
    "coupon up",
    "give Kafka Connect the new password (COUPON_CDC_DATABASE_PASSWORD) and restart it",
)
_LOGIN_REFUSED = "authentication failed"


def check_connector(system: System) -> Iterator[Finding]:
    """Raises ConnectorError."""
    connect = Connect(system.connect_url)
    state = read_state(connect, CONNECTOR_NAME)
    yield connector_finding(state)
    if state is None:
        return
    try:
        with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
            yield offsets_finding(check_stream(connect, connection))
    except LedgerUnavailable as error:
        section = runbook_section(error) or Section.POSTGRES_DOWN
        yield unknown(
            "offsets",
            f"they cannot be compared with the slot: {sentence(error)}",
            resolve(section),
            section,
        )


def connector_finding(state: ConnectorState | None) -> Finding:
    """The finding for the connector's state."""
    if state is None:
        says = f"there is no connector {CONNECTOR_NAME}: accepted requests wait in the WAL"
        return failing("connector", says, _RECOVER, Section.CONNECTOR_MISSING)
    if state.is_held:
        says = f"somebody {state.state.lower()} it: accepted requests wait in the WAL"
        return failing("connector", says, _RECOVER, Section.CONNECTOR_HELD)
    if state.failure is not None and _LOGIN_REFUSED in state.failure:
        says = f"Postgres refuses its login, because its password was changed: {state.failure}"
        return failing("connector", says, _SET_PASSWORD, Section.NOT_PREPARED)
    if state.failure is not None:
        says = f"it FAILED: {state.failure}"
        return failing("connector", says, _RECOVER, Section.CONNECTOR_FAILED)
    if not state.is_running:
        tasks = ", ".join(task.state for task in state.tasks) or "no task"
        says = f"it is {state.state} with {tasks}: Connect has not started it"
        return failing("connector", says, "coupon connector restart", Section.CONNECTOR_FAILED)
    return ok("connector", "the connector and its task run")


def offsets_finding(check: StreamCheck) -> Finding:
    """The finding for the offsets and the slot. Another check covers the publication."""
    check = check._replace(publication=Publication.RIGHT)
    if check.offset is None:
        says = (
            "Connect has no offsets; the connector resumes from the slot, which holds every change"
            " since"
        )
        return warning("offsets", says, _RECOVER, Section.OFFSETS)
    if check.needs_new_slot:
        says = "they are useless without their slot"
        return failing("offsets", says, _RECOVER, Section.OFFSETS)
    if check.offset > check.slot.wal_lsn:
        return failing("offsets", str(check.gap), "coupon after-restore", Section.LEDGER_RESTORED)
    if check.gap is not None:
        return failing("offsets", check.gap, _RECOVER, Section.OFFSETS)
    return ok("offsets", "they match the slot")


def check_registry(system: System) -> Iterator[Finding]:
    """Raises SchemaRegistryUnavailable or KafkaUnavailable."""
    unreadable = {topic: why for topic, why in check_schemas(system.registry_url).items() if why}
    if lost := lost_schemas(system.registry_url, KafkaAdmin(system.kafka).ends()):
        says = (
            f"the registry lost the schemas of {', '.join(lost)}: a consumer that restarts cannot"
            " read the records there, and waits"
        )
        yield failing("schemas", says, "coupon connector recover", Section.SCHEMA)
        return
    yield from (
        failing(
            "schemas",
            f"the consumer cannot read {topic}: {why}",
            "coupon connector schemas",
            Section.SCHEMA,
        )
        for topic, why in unreadable.items()
    )
    if not unreadable:
        yield ok("schemas", "the consumer can read what the connector writes")


def check_heartbeat(system: System) -> Iterator[Finding]:
    """Raises RedisUnavailable."""
    gate = connect_gate(system.redis_url)
    heartbeat_us = read_heartbeat(gate.client)
    if heartbeat_us is None:
        says = "none has come through the pipeline since Redis was emptied"
        yield failing("heartbeat", says, "coupon connector status", Section.STALE)
        return
    # Not by the clock of this machine, which may be wrong.
    age = (gate.now_us() - heartbeat_us) / 1_000_000
    says = f"the newest that came through the complete pipeline is {age:.1f} s old"
    if age > OLD_HEARTBEAT_SECONDS:
        yield failing("heartbeat", says, "coupon connector status", Section.STALE)
    else:
        yield ok("heartbeat", says)
