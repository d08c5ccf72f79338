"""Least privilege, statement by statement: what each role may do, and that it may do no more."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import errors, pq, sql

from coupons.ledger.migrations import admit_roles, create_database, migrate
from coupons.ledger.roles import OWNER, role_url
from tests.ledger.rights import ALLOWED, API, CALLED_BY_ALL, CDC, NOBODY, RECONCILER, ROLES
from tests.support.databases import PASSWORDS, Database, Databases

LEDGER, REGISTRY = "test_rights", "test_rights_registry"


@pytest.fixture(scope="module")
def ledger(databases: Databases, postgres_server: Any) -> Iterator[Database]:
    """A database made as `coupon up` and `coupon migrate` make it, with two coupons in it."""
    assert databases
    superuser_url = postgres_server.superuser_url
    create_database(superuser_url, LEDGER, OWNER)
    create_database(superuser_url, REGISTRY, "coupon_registry")
    admit_roles(superuser_url, LEDGER)
    made = Database(superuser_url, LEDGER)
    migrate(made.url(OWNER))
    with psycopg.connect(made.url(OWNER)) as owner:
        owner.execute("INSERT INTO coupon (name, total_quantity) VALUES ('open', 9), ('closed', 9)")
        owner.execute("UPDATE coupon SET state = 'closed' WHERE coupon_id = 2")
    yield made
    with psycopg.connect(superuser_url, autocommit=True) as superuser:
        for name in (LEDGER, REGISTRY):
            statement = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            superuser.execute(statement.format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def sessions(ledger: Database) -> Iterator[dict[str, psycopg.Connection]]:
    """One of each role, for statements of which nothing is left after a rollback."""
    with ExitStack() as stack:
        yield {role: stack.enter_context(psycopg.connect(ledger.url(role))) for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("statement", ALLOWED)
def test_a_role_may_do_what_its_process_does_and_no_more(
    ledger: Database, sessions: dict[str, psycopg.Connection], statement: str, role: str
) -> None:
    # ALTER SYSTEM and the like are refused within a transaction for that reason alone.
    outside = statement.startswith("ALTER SYSTEM")
    # Locks and slots last until their session ends.
    if outside or statement.startswith("SELECT pg_"):
        with psycopg.connect(ledger.url(role), autocommit=outside) as connection:
            _try(connection, statement, role)
    else:
        _try(sessions[role], statement, role)


def _try(connection: psycopg.Connection, statement: str, role: str) -> None:
    try:
        if role in ALLOWED[statement]:
            connection.execute(statement)
        else:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)
    finally:
        connection.rollback()


def test_everybody_may_call_only_functions_that_read_no_table(ledger: Database) -> None:
    """Postgres lets everybody call a new function: whatever reads or writes a table takes it away.

    The statements above do not see it where a table that such a function writes is refused.
    """
    with psycopg.connect(ledger.url(OWNER)) as owner:
        found = owner.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND prorettype <> 'trigger'::regtype"
            " AND has_function_privilege('public', oid, 'EXECUTE')"
        ).fetchall()
    assert {name for (name,) in found} == CALLED_BY_ALL


@pytest.mark.parametrize(
    "change",
    [
        "state = 'open' WHERE coupon_id = 2",
        "state = 'paused', version = version + 1 WHERE coupon_id = 2",
        "version = 0 WHERE coupon_id = 1",
    ],
)
def test_a_closed_coupon_stays_closed_and_versions_only_grow(ledger: Database, change: str) -> None:
    with (
        psycopg.connect(ledger.url(API)) as connection,
        pytest.raises(errors.CheckViolation, match="a closed coupon stays closed"),
    ):
        connection.execute(f"UPDATE coupon SET {change}")


def test_epochs_only_grow(ledger: Database) -> None:
    with (
        psycopg.connect(ledger.url(RECONCILER)) as connection,
        pytest.raises(errors.CheckViolation, match="gate_epoch only grow"),
    ):
        connection.execute("UPDATE coupon SET gate_epoch = 0")


@pytest.mark.parametrize(
    ("database", "allowed"),
    [
        (LEDGER, {OWNER, *ROLES}),
        (REGISTRY, {"coupon_registry"}),
        ("postgres", NOBODY),
        ("template1", NOBODY),
    ],
)
def test_nobody_enters_a_database_that_is_not_his(
    ledger: Database, database: str, allowed: set[str]
) -> None:
    entered = {role for role in PASSWORDS if _enters(ledger, role, database)}
    assert entered == allowed


def _enters(ledger: Database, role: str, database: str) -> bool:
    try:
        url = role_url(ledger.superuser_url, role, PASSWORDS[role], database)
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return "permission denied for database" not in str(error)
    return True


def replication(ledger: Database, role: str, mode: str, command: str) -> str:
    """How Postgres answers a command of the replication protocol; "refused" at the door."""
    connection = pq.PGconn.connect(f"{ledger.url(role)}?replication={mode}".encode())
    try:
        if connection.status != pq.ConnStatus.OK:
            return "refused"
        return pq.ExecStatus(connection.exec_(command.encode()).status).name
    finally:
        connection.finish()


@pytest.mark.parametrize("role", PASSWORDS)
@pytest.mark.parametrize("command", ["IDENTIFY_SYSTEM", "BASE_BACKUP (CHECKPOINT 'fast')"])
def test_nobody_of_ours_may_take_a_backup_as_pg_basebackup_does(
    ledger: Database, role: str, command: str
) -> None:
    assert replication(ledger, role, "true", command) == "refused"


@pytest.mark.parametrize("role", [role for role in PASSWORDS if role != CDC])
def test_only_the_connectors_role_speaks_the_replication_protocol(
    ledger: Database, role: str
) -> None:
    assert replication(ledger, role, "database", "IDENTIFY_SYSTEM") == "refused"


def test_the_connectors_role_streams_the_publication(ledger: Database) -> None:
    slot = "CREATE_REPLICATION_SLOT of_a_test TEMPORARY LOGICAL pgoutput"
    assert replication(ledger, CDC, "database", slot) == "TUPLES_OK"


def test_what_replication_cannot_be_narrowed_to_is_still_so(ledger: Database) -> None:
    """Postgres lets REPLICATION read the whole server: docs/reference/rights.md says what helps.

    When this fails, Postgres has learned to refuse it: take that sentence out of the page.
    """
    assert replication(ledger, CDC, "database", "BASE_BACKUP (CHECKPOINT 'fast')") == "COPY_OUT"
