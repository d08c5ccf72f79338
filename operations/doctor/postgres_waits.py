"""Checks of what sessions of Postgres wait for: standbys, locks, free connections."""

from collections.abc import Iterator
from contextlib import closing
from textwrap import shorten
from typing import NamedTuple

from psycopg.rows import class_row

from coupons.ledger.connection import Connection, connect_ledger, translated
from coupons.queries import query
from operations.doctor.findings import Finding, Section, failing, ok, warning
from operations.doctor.system import System

LONG_WAIT_SECONDS = 1.0
FEW_FREE = 10
"""An API process with the default settings takes six."""
_SHOWN = 3
_QUERY_SHOWN = 60


class Standbys(NamedTuple):
    """A row of read_standbys."""

    wanted: str
    confirming: list[str]
    connected: list[str]
    waiting: int
    longest: float


class Blocker(NamedTuple):
    """A session that others wait for: a row of list_blockers."""

    pid: int
    role: str | None
    application: str | None
    state: str | None
    wait_event: str | None
    seconds: float | None
    query: str | None
    blocks: int
    longest: float
    is_blocked: bool

    def __str__(self) -> str:
        if not self.pid:
            return "a prepared transaction (see pg_prepared_xacts)"
        statement = shorten(self.query or "nothing", _QUERY_SHOWN, placeholder=" ...")
        return (
            f"process {self.pid} ({self.role}, {self.application or 'no name'}, {self.state} for"
            f" {self.seconds or 0:.0f} s: {statement})"
        )


def check_waits(system: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        yield _standbys(connection)
        yield _awaited_slots(connection)
        yield _locks(connection)
        yield _connections(connection)


def _standbys(connection: Connection) -> Finding:
    with translated(connection), connection.cursor(row_factory=class_row(Standbys)) as cursor:
        found = cursor.execute(query("read_standbys")).fetchone()
    assert found is not None
    if not found.wanted:
        return ok("standbys", "no commit waits for a standby")
    if found.confirming and not found.waiting:
        return ok("standbys", f"{', '.join(found.confirming)} confirms each commit")
    if found.confirming and found.longest < LONG_WAIT_SECONDS:
        return ok("standbys", f"{found.waiting} commits wait for {', '.join(found.confirming)}")
    says = (
        f"every commit waits for a synchronous standby: synchronous_standby_names is"
        f" '{found.wanted}', connected are {', '.join(found.connected) or 'none'};"
        f" {found.waiting} commits wait now, the longest for {found.longest:.0f} s"
    )
    return failing("standbys", says, "start that standby", Section.STANDBY_DOWN)


def _awaited_slots(connection: Connection) -> Finding:
    with translated(connection):
        slots = connection.execute(query("list_awaited_slots")).fetchall()
    bad = [f"{name} is {state}" for name, state in slots if state != "active"]
    if not bad:
        return ok("awaited slots", "the change stream waits for no standby that is down")
    says = f"the change stream sends nothing: of synchronized_standby_slots {' and '.join(bad)}"
    return failing("awaited slots", says, "start that standby", Section.STREAM_WAITS)


def _locks(connection: Connection) -> Finding:
    values = {"waits": LONG_WAIT_SECONDS}
    with translated(connection), connection.cursor(row_factory=class_row(Blocker)) as cursor:
        blockers = cursor.execute(query("list_blockers"), values).fetchall()
    first = [each for each in blockers if not each.is_blocked][:_SHOWN]
    between = [each for each in blockers if each.is_blocked][:_SHOWN]
    if not first:
        return ok("locks", f"no session has waited longer than {LONG_WAIT_SECONDS:.0f} s")
    says = f"{sum(each.blocks for each in blockers)} sessions wait for a lock, the longest for"
    says += f" {max(each.longest for each in blockers):.0f} s, because of"
    says += f" {' and '.join(map(str, first))}"
    if between:
        says += f"; {' and '.join(map(str, between))} waits for that too and blocks others"
    command = f'coupon sql --as superuser "SELECT pg_terminate_backend({first[0].pid})"'
    return failing("locks", says, command, Section.LOCKED)


def _connections(connection: Connection) -> Finding:
    with translated(connection):
        row = connection.execute(query("count_connections")).fetchone()
        holders = connection.execute(query("list_connections")).fetchall()
    assert row is not None
    used, free = row
    if free >= FEW_FREE:
        return ok("connections", f"{used} are open, {free} are free")
    most = "; ".join(
        f"{count} of {role} in {database} ({application or 'no name'}, from {address}, {idle} idle)"
        for role, database, application, address, count, idle in holders[:_SHOWN]
    )
    says = f"{used} are open and {free} are free; most of the open ones: {most}"
    level = warning if free else failing
    return level("connections", says, "end those that are not needed", Section.NO_CONNECTIONS)
