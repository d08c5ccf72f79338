"""Check of the events for other services. They are no part of issuing: a failure is a warning."""

from collections.abc import Iterator
from contextlib import closing

from connectors.connect import Connect
from connectors.events import EventStream, read_events
from coupons.ledger.connection import connect_ledger
from operations.doctor.findings import Finding, Section, ok, warning
from operations.doctor.system import System


def check_events(system: System) -> Iterator[Finding]:
    """Nothing while they are off. Raises ConnectorError or LedgerUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as ledger:
        stream = read_events(Connect(system.connect_url), ledger)
    if not stream.is_off:
        yield events_finding(stream)


def events_finding(stream: EventStream) -> Finding:
    """The finding for events that are on."""
    if stream.fault is not None:
        says = f"of the events for other services: {stream.fault}"
        return warning("events", says, "coupon events start", Section.EVENTS)
    if stream.slot.is_filling:
        says = (
            f"Postgres keeps {stream.slot.retained_bytes:,} bytes of WAL for the events for other"
            " services: above the limit some will be missing"
        )
        return warning("events", says, "coupon events status", Section.EVENTS)
    return ok("events", "the connector of the events for other services runs")
