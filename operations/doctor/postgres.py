"""Checks of Postgres: setup, migrations, publication, slot, reconciler's lock, writes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from connectors.publication import PUBLICATION, Publication, read_publication
from connectors.slot import SLOT, Slot, read_slot
from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import Connection, connect_ledger, translated
from coupons.ledger.refusals import LedgerRefused
from coupons.ledger.roles import ROLES
from coupons.ledger.write_check import check_takes_writes as check_ledger_serving
from coupons.queries import SQL_FOLDER, query
from operations.doctor.commands import read_log, start
from operations.doctor.findings import Finding, Section, failing, ok, unknown, warning
from operations.doctor.runbook_sections import runbook_section, section_of, sentence
from operations.doctor.system import System

RECONCILER_ROLE = "coupon_reconciler"
TABLES = ["public.cdc_heartbeat", "public.coupon_issue_request"]
_MIB = 2**20
_RECOVER = "coupon connector recover"


def check_database(system: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")):
        yield ok("postgres", "it answers")
    for name, check in _CHECKS.items():
        # A connection for each check: a refused statement closes its own.
        with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
            try:
                yield from check(connection)
            except LedgerUnavailable as error:
                section = runbook_section(error)
                if section is None or section is Section.POSTGRES_DOWN:
                    raise
                yield unknown(name, sentence(error), "coupon migrate --help", section)


def check_postgres_writes(system: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        try:
            check_ledger_serving(connection)
        except LedgerRefused as error:
            section = section_of(error, Section.POSTGRES_REFUSES)
            says = f"{error}: no claim is accepted and nothing is issued"
            yield failing("ledger writes", says, read_log("postgres", "Postgres"), section)
        else:
            yield ok("ledger writes", "Postgres accepts writes")


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
    return ok("postgres setup", f"wal_level is logical, and all {len(roles)} roles exist")


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
        says = f"it does not publish exactly the inserts of {' and '.join(TABLES)}"
    else:
        return ok("publication", "it publishes the inserts of requests and heartbeats")
    return failing("publication", says, _RECOVER, Section.PUBLICATION)


def slot_findings(slot: Slot) -> Iterator[Finding]:
    """The findings for a slot's state."""
    lost = _loss(slot)
    if lost is not None:
        yield failing("slot", lost, _RECOVER, Section.SLOT_LOST)
        return
    if slot.active:
        yield ok("slot", f"{SLOT} exists, and the connector reads it")
    else:
        says = f"nothing reads {SLOT}: accepted requests wait, and Postgres keeps WAL for them"
        yield failing("slot", says, "coupon connector status", Section.SLOT_INACTIVE)
    yield _kept(slot)


def _loss(slot: Slot) -> str | None:
    if not slot.exists:
        return f"there is no replication slot {SLOT}: requests accepted now would not be streamed"
    if not slot.usable:
        return f"the slot {SLOT} belongs to another database or plugin: drop it there"
    if slot.is_lost:
        return (
            f"Postgres removed WAL that the slot {SLOT} still needed"
            f" ({slot.invalidation_reason}): requests in it were not streamed"
        )
    if slot.made_by_connector:
        return (
            f"the connector created the slot {SLOT} itself, after the first one was lost:"
            " requests written before that were not streamed"
        )
    return None


def _kept(slot: Slot) -> Finding:
    kept, most = slot.retained_bytes or 0, slot.keep_bytes
    if most is None:
        says = f"{kept / _MIB:.0f} MiB of WAL are kept for the slot, without a limit"
        command = "set max_slot_wal_keep_size=2GB and reload Postgres"
        return warning("wal", says, command, Section.WAL_GROWS)
    says = f"{kept / _MIB:.0f} of at most {most / _MIB:.0f} MiB of WAL are kept for the slot"
    if slot.wal_status == "unreserved" or kept > most:
        says += ": the next checkpoint removes WAL that the slot needs"
        return failing("wal", says, "coupon connector status", Section.WAL_GROWS)
    if slot.is_filling:
        says += ": above the limit the slot is lost"
        return warning("wal", says, "coupon connector status", Section.WAL_GROWS)
    return ok("wal", says)


def _reconciler(connection: Connection) -> Finding:
    with translated(connection):
        row = connection.execute(query("find_reconciler_lock")).fetchone()
    if row is not None:
        role, application, address = row
        if role == RECONCILER_ROLE:
            return ok("reconciler", f"one is active ({application}, from {address})")
        session = f"{role} ({application or 'no name'}, from {address})"
        says = f"{session} holds its lock: no reconciler can work"
        return failing("reconciler", says, "end that session", Section.FOREIGN_LOCK)
    says = "none is active: an unavailable gate stays so, and unfinished claims are not settled"
    return failing("reconciler", says, start("the reconciler"), Section.RECONCILER_DOWN)


_CHECKS: dict[str, Callable[[Connection], Iterable[Finding]]] = {
    "postgres setup": lambda connection: [_setup(connection)],
    "migrations": lambda connection: [_migrations(connection)],
    "publication": lambda connection: [_publication(connection)],
    "slot": lambda connection: slot_findings(read_slot(connection)),
    "reconciler": lambda connection: [_reconciler(connection)],
}
