"""Checks of Postgres: setup, publication, replication slot, reconciler."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from connectors.publication import PUBLICATION, Publication, read_publication
from connectors.slot import SLOT, Slot, read_slot
from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import Connection, connect_ledger, translated
from coupons.ledger.roles import ROLES
from coupons.queries import SQL_FOLDER, query
from operations.doctor.blame import blamed, sentence
from operations.doctor.findings import Finding, Section, failing, ok, unknown, warning
from operations.doctor.system import System

RECONCILER_ROLE = "coupon_reconciler"
TABLES = ["public.cdc_heartbeat", "public.coupon_issue_request"]
MUCH_KEPT = 0.5
"""Share of max_slot_wal_keep_size from which the WAL that a slot keeps is a warning."""

_MIB = 2**20
_RECOVER = "coupon connector recover"


def check_database(places: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    with closing(connect_ledger(places.database_url, "coupon-doctor")):
        yield ok("postgres", "it answers")
    for name, look in _LOOKS.items():
        # A connection for each: a refused statement closes its own, and hides nothing else.
        with closing(connect_ledger(places.database_url, "coupon-doctor")) as connection:
            try:
                yield from look(connection)
            except LedgerUnavailable as error:
                section = blamed(error)
                if section is None or section is Section.POSTGRES_DOWN:
                    raise
                yield unknown(name, sentence(error), "coupon migrate --help", section)


def _setup(connection: Connection) -> Finding:
    roles = [f"coupon_{role}" for role in ROLES]
    with translated(connection):
        row = connection.execute(query("read_setup"), {"roles": roles}).fetchone()
    wal_level, missing = row or ("unknown", [])
    if wal_level != "logical":
        says = f"wal_level is {wal_level}: nothing can be streamed until it is logical"
        command = "set wal_level=logical and restart Postgres"
        return failing("postgres setup", says, command, Section.NOT_PREPARED)
    if missing:
        says = f"these roles are missing: {', '.join(missing)}"
        return failing("postgres setup", says, "coupon migrate --help", Section.NOT_PREPARED)
    return ok("postgres setup", f"wal_level is logical, all {len(roles)} roles are there")


def _migrations(connection: Connection) -> Finding:
    wanted = {file.stem for file in (SQL_FOLDER / "migrations").glob("*.sql")}
    with translated(connection):
        applied = {row[0] for row in connection.execute(query("list_migrations"))}
    if missing := sorted(wanted - applied):
        says = f"not applied: {', '.join(missing)}; this version of the code needs them"
        return failing("migrations", says, "coupon migrate --help", Section.NOT_PREPARED)
    return ok("migrations", f"all {len(wanted)} are applied")


def _publication(connection: Connection) -> Finding:
    found = read_publication(connection)
    if found is Publication.MISSING:
        says = f"there is no publication {PUBLICATION}: nothing is streamed"
    elif found is Publication.WRONG:
        says = (
            f"it does not publish the inserts of {' and '.join(TABLES)}, all of them and only them"
        )
    else:
        return ok("publication", "it publishes the inserts of requests and heartbeats")
    return failing("publication", says, _RECOVER, Section.PUBLICATION)


def slot_findings(slot: Slot) -> Iterator[Finding]:
    """What a slot's state means."""
    lost = _loss(slot)
    if lost is not None:
        yield failing("slot", lost, _RECOVER, Section.SLOT_LOST)
        return
    if slot.active:
        yield ok("slot", f"{SLOT} is there, and the connector reads from it")
    else:
        says = f"nobody reads from {SLOT}: requests are accepted and wait, and WAL is kept for them"
        yield failing("slot", says, "coupon connector status", Section.SLOT_INACTIVE)
    yield _kept(slot)


def _loss(slot: Slot) -> str | None:
    if not slot.exists:
        return f"there is no replication slot {SLOT}: requests accepted now would not be streamed"
    if not slot.usable:
        return f"the slot {SLOT} is of another database or plugin: drop it there"
    if slot.is_lost:
        return (
            f"Postgres removed WAL that the slot {SLOT} still needed"
            f" ({slot.invalidation_reason}): requests in it were not streamed"
        )
    if slot.made_by_connector:
        return (
            f"the slot {SLOT} was not made by this project but by the connector, after a loss:"
            " requests written before it were not streamed"
        )
    return None


def _kept(slot: Slot) -> Finding:
    kept, most = slot.retained_bytes or 0, slot.keep_bytes
    if most is None:
        says = f"{kept / _MIB:.0f} MiB are kept for the slot, and without any limit"
        command = "set max_slot_wal_keep_size=2GB and reload Postgres"
        return warning("wal", says, command, Section.WAL_GROWS)
    says = f"{kept / _MIB:.0f} of at most {most / _MIB:.0f} MiB are kept for the slot"
    if slot.wal_status == "unreserved" or kept > most:
        says += ": it loses them at the next checkpoint"
        return failing("wal", says, "coupon connector status", Section.WAL_GROWS)
    if kept > MUCH_KEPT * most:
        says += ": beyond the limit the slot is lost"
        return warning("wal", says, "coupon connector status", Section.WAL_GROWS)
    return ok("wal", says)


def _reconciler(connection: Connection) -> Finding:
    with translated(connection):
        row = connection.execute(query("find_reconciler_lock")).fetchone()
    if row is not None:
        role, application, address = row
        if role == RECONCILER_ROLE:
            return ok("reconciler", f"one is at work ({application}, from {address})")
        says = f"{role} ({application or 'no name'}, from {address}) holds its lock: none can work"
        return failing("reconciler", says, "end that session", Section.FOREIGN_LOCK)
    says = "none is at work: a closed gate stays closed, and nobody settles unfinished claims"
    return failing("reconciler", says, "coupon up", Section.RECONCILER_AWAY)


_LOOKS: dict[str, Callable[[Connection], Iterable[Finding]]] = {
    "postgres setup": lambda connection: [_setup(connection)],
    "migrations": lambda connection: [_migrations(connection)],
    "publication": lambda connection: [_publication(connection)],
    "slot": lambda connection: slot_findings(read_slot(connection)),
    "reconciler": lambda connection: [_reconciler(connection)],
}
