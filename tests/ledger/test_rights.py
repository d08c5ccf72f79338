"""Least privilege, statement by statement: what each role may do, and that it may do no more."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import errors, pq, sql

from coupons.ledger.migrations import admit_roles, create_database, migrate
from coupons.ledger.roles import OWNER, role_url
from tests.support.databases import PASSWORDS, Database, Databases

API, CONSUMER, RECONCILER, MONITOR, CDC, OPS = (
    f"coupon_{name}" for name in ("api", "consumer", "reconciler", "monitor", "cdc", "ops")
)
ROLES = (API, CONSUMER, RECONCILER, MONITOR, CDC, OPS)
READERS = {API, CONSUMER, RECONCILER, OPS}
LEDGER, REGISTRY = "test_rights", "test_rights_registry"
LOCKERS = {RECONCILER, CDC, OPS}
NOBODY: set[str] = set()

COUPON = "INSERT INTO coupon (name, total_quantity{}) VALUES ('n', 1{})"
REQUEST = "(coupon_id, user_id, requested_at) VALUES (1, 9, now())"
ACTION = (
    "INSERT INTO dead_letter_action (acted_by, action, result, letter_partition, letter_offset,"
    " set_aside_at, record_topic, record_partition, record_offset)"
    " VALUES ('a test', 'replay', 'begun', 0, 0, now(), 't', 0, 0)"
)
AUDITED = "INSERT INTO operator_action (action, result, {}) VALUES ('rebuild gate', 'done', {})"
CHANGED = "1, 1, 'use', 'A', NULL, 'a test'"
CHANGED_MANY = "'{1}', '{1}', '{use}', '{A}', '{NULL}', '{a test}'"
ALLOWED: dict[str, set[str]] = {
    # coupons
    COUPON.format("", ""): {API},
    COUPON.format(", issued_count", ", 1"): NOBODY,
    COUPON.format(", state", ", 'closed'"): NOBODY,
    COUPON.format(", gate_epoch", ", 9"): NOBODY,
    COUPON.format(", admin_state", ", 'draft'"): {API},
    "UPDATE coupon SET admin_state = NULL": {API},
    COUPON.format(", version", ", 9"): NOBODY,
    "UPDATE coupon SET name = 'm', total_quantity = 5": {API},
    "UPDATE coupon SET state = 'paused', version = version + 1 WHERE coupon_id = 1": {API},
    "SELECT FROM operate_coupon(1, 1, 'paused', NULL, 'a test')": {OPS},
    "SELECT FROM operate_gate_epoch(1, 0)": {OPS},
    "SELECT operate_lost_requests(1)": {OPS},
    "UPDATE coupon SET issued_count = 0": {CONSUMER},
    "UPDATE coupon SET rejected_count = 0": {CONSUMER},
    "UPDATE coupon SET gate_epoch = gate_epoch + 1": {RECONCILER},
    "UPDATE coupon SET coupon_id = 3": NOBODY,
    "DELETE FROM coupon": NOBODY,
    "SELECT FROM discard_draft(1, NULL, 'a test')": {API},
    "SELECT coupon_id FROM discarded_coupon": {RECONCILER},
    "SELECT codes FROM discarded_coupon": NOBODY,
    "DELETE FROM discarded_coupon": NOBODY,
    "SELECT FROM coupon": READERS | {MONITOR},
    "SELECT setval('coupon_id_seq', 1)": NOBODY,
    COUPON.format(", discount", ", '{}'"): {API},
    "UPDATE coupon SET valid_for_days = 7, metadata = '{}'": {API},
    "SELECT take_idempotency_key(1, 'k', sha256('x'))": {API},
    "SELECT * FROM idempotency_key": NOBODY,
    "SELECT body_digest FROM idempotency_key": NOBODY,
    "INSERT INTO idempotency_key VALUES (1, 'k', sha256('x'), 1)": NOBODY,
    "UPDATE idempotency_key SET coupon_id = 1 WHERE caller_id = 1 AND key = 'k'": {API},
    "UPDATE idempotency_key SET taken_at = now()": NOBODY,
    "DELETE FROM idempotency_key": NOBODY,
    # requests and their outcomes
    f"INSERT INTO coupon_issue_request {REQUEST}": {API, RECONCILER},
    "UPDATE coupon_issue_request SET requested_at = now()": NOBODY,
    "DELETE FROM coupon_issue_request": NOBODY,
    "SELECT FROM coupon_issue_request": READERS | {CDC},
    "SELECT FROM issue_request": READERS | {CDC, MONITOR},
    f"INSERT INTO issued_coupon {REQUEST}": {CONSUMER},
    "UPDATE issued_coupon SET issued_at = now()": NOBODY,
    "DELETE FROM issued_coupon": NOBODY,
    "SELECT FROM issued_coupon": READERS | {CDC},
    "INSERT INTO issue_rejection VALUES (1, 9, now(), 'sold_out')": {CONSUMER},
    "UPDATE issue_rejection SET reason = 'no'": NOBODY,
    "DELETE FROM issue_rejection": NOBODY,
    "SELECT FROM issue_rejection": READERS,
    # what becomes of issued coupons
    f"SELECT change_issued_coupon({CHANGED})": {API},
    f"SELECT FROM change_issued_coupons({CHANGED_MANY})": {API},
    f"SELECT FROM change_and_show_issued_coupon({CHANGED})": {API},
    "SELECT FROM hold_issued_coupons('{1}', '{1}')": {API},
    "SELECT FROM expire_issued_coupons(1, 10)": {RECONCILER},
    # standby lists
    "UPDATE coupon SET standby = 'waiting'": NOBODY,
    "SELECT set_standby_list(1, true, 'a test')": {API},
    "SELECT join_standby(9, 1, '{}', true)": {API},
    "SELECT tidy_standby(1, 10)": {RECONCILER},
    "SELECT FROM standby_entry": {API, RECONCILER, OPS},
    "INSERT INTO standby_entry (user_id, coupon_id) VALUES (9, 1)": NOBODY,
    "UPDATE standby_entry SET state = 'left', ended_at = now()": {API, RECONCILER, OPS},
    "UPDATE standby_entry SET number = 1": NOBODY,
    "DELETE FROM standby_entry": NOBODY,
    "INSERT INTO issued_coupon_change (user_id, coupon_id, change_number, from_state, to_state,"
    " changed_by, reason) VALUES (1, 1, 1, 'active', 'revoked', 'a test', 'r')": NOBODY,
    "UPDATE issued_coupon_change SET changed_by = 'no'": NOBODY,
    "DELETE FROM issued_coupon_change": NOBODY,
    "SELECT FROM issued_coupon_change": {API, RECONCILER, OPS, MONITOR, CDC},
    "SELECT FROM owned_coupon": {API, RECONCILER, OPS, MONITOR},
    "SELECT FROM coupon_with_expiry_due": {RECONCILER, OPS},
    "SELECT FROM coupon_expiry_walk": NOBODY,
    "UPDATE coupon_expiry_walk SET seen_due_at = 'infinity'": NOBODY,
    # codes
    "SELECT FROM coupon_codes": {API, OPS, MONITOR},
    "INSERT INTO coupon_codes VALUES (1, 'made')": NOBODY,
    "UPDATE coupon_codes SET kind = 'none'": NOBODY,
    "SELECT code FROM coupon_code": {API},
    "SELECT user_id, given_at FROM coupon_code": {API, OPS},
    "INSERT INTO coupon_code (code, coupon_id, kind) VALUES ('A', 1, 'pool')": NOBODY,
    "UPDATE coupon_code SET user_id = 9": NOBODY,
    "DELETE FROM coupon_code": NOBODY,
    "SELECT choose_codes(1, 'made', 'a test')": {API},
    "SELECT begin_pool_upload(1)": {API},
    "SELECT add_pool_codes(1, '{}')": {API},
    "SELECT end_pool_upload(1, 0, 'a test')": {API},
    "SELECT FROM give_code(9, 1, 'A')": {API},
    "SELECT FROM remove_free_codes(1, 'a test')": {API},
    "SELECT FROM find_codes_that_do_not_fit(NULL, 1)": {OPS},
    "SELECT FROM count_codes_twice(NULL)": {OPS},
    # audiences
    "SELECT audience FROM coupon": READERS | {MONITOR},
    "UPDATE coupon SET audience = NULL": NOBODY,
    "SELECT FROM coupon_audience": {API, RECONCILER, OPS},
    "SELECT FROM coupon_audience_chunk": {API, RECONCILER, OPS},
    "SELECT FROM audience_upload": {API},
    "SELECT FROM audience_upload_part": NOBODY,
    "DELETE FROM coupon_audience": NOBODY,
    "UPDATE coupon_audience_chunk SET users = ''": NOBODY,
    "SELECT begin_audience_upload(1)": {API},
    "SELECT forget_audience_uploads()": {RECONCILER},
    "SELECT take_audience_part(1, NULL, 0, 0, '', 0, 0, '', '{}', '{}', '[]')": {API},
    "SELECT set_audience(1, NULL, '{1}', 1, 'a test')": {API},
    "SELECT remove_audience(1, 'a test')": {API},
    "SELECT erase_user_from_audiences(9)": NOBODY,
    # waiting rooms
    "SELECT set_waiting_room(1, NULL, NULL, 'a test')": {API},
    "UPDATE coupon SET room = '1 lot'": NOBODY,
    "SELECT ticket_key FROM waiting_room": {API},
    "INSERT INTO waiting_room (coupon_id) VALUES (1)": NOBODY,
    "UPDATE waiting_room SET next_number = 1, lot_size = 1, lot_key = 'k'": {API},
    "UPDATE waiting_room SET ticket_key = 'k'": NOBODY,
    "DELETE FROM waiting_room": NOBODY,
    # erasures
    "SELECT erase_user(9, '{}', 'a test', NULL)": {API, OPS},
    "SELECT erase_user_again(9, '{}', NULL)": {RECONCILER},
    "SELECT erase_user_from_trails(9)": NOBODY,
    "SELECT replace_user(9, '{}')": NOBODY,
    "SELECT watch_erased(9, '{}', '{}', NULL, NULL)": NOBODY,
    "SELECT end_erasure(9, '{}', '{}', '2 min')": {API, OPS, RECONCILER},
    "SELECT forget_erased_requests()": {RECONCILER},
    "SELECT FROM erasure": {API, OPS, RECONCILER, MONITOR},
    "SELECT asked_by FROM erasure": {API, OPS, RECONCILER},
    "SELECT FROM erased_request": {API, OPS, RECONCILER, MONITOR},
    "INSERT INTO erasure (asked_by, counts) VALUES ('a test', '{}')": NOBODY,
    "UPDATE erasure SET counts = '{}'": NOBODY,
    "DELETE FROM erasure": NOBODY,
    "DELETE FROM erased_request": NOBODY,
    # retired coupons
    "SELECT coupon_id FROM retired_coupon": {API, CONSUMER, RECONCILER, MONITOR, OPS},
    "SELECT folder FROM retired_coupon": {API, OPS},
    "INSERT INTO retired_coupon (coupon_id) VALUES (1)": NOBODY,
    "UPDATE retired_coupon SET exported_at = NULL": NOBODY,
    "DELETE FROM retired_coupon": NOBODY,
    "SELECT user_id FROM export_to_erase": {OPS},
    "SELECT erasure_id FROM export_to_erase": {API, MONITOR, OPS},
    "DELETE FROM export_to_erase": NOBODY,
    "SELECT coupon_archived_at(1)": {OPS},
    "SELECT begin_retirement(1, '1 year', 'a test')": {OPS},
    "SELECT abandon_retirement(1, 'a test')": {OPS},
    "SELECT FROM codes_to_export(1)": {OPS},
    "SELECT note_export(1, '{}', 'f', '{}')": {OPS},
    "SELECT FROM drop_retired(1, 0, 1, 'a test')": {OPS},
    "SELECT note_erased_export(1, 9, '{}', 'a test')": {OPS},
    "SELECT refuse_retired()": NOBODY,
    # rehearsals
    "SELECT FROM begin_rehearsal('n', 1, 'a test')": {OPS},
    "SELECT purge_rehearsal(1, 'a test', NULL)": {OPS},
    "SELECT FROM count_rows_of_coupon(1)": {OPS},
    "SELECT tables_of_coupons()": NOBODY,
    "SELECT coupon_id, purged_at FROM rehearsal": {CONSUMER, RECONCILER, MONITOR, OPS},
    "SELECT counts FROM rehearsal": {OPS},
    "INSERT INTO rehearsal (coupon_id) VALUES (1)": NOBODY,
    "UPDATE rehearsal SET purged_at = NULL": NOBODY,
    "DELETE FROM rehearsal": NOBODY,
    # the change stream
    "INSERT INTO cdc_heartbeat DEFAULT VALUES": NOBODY,
    "SELECT FROM cdc_heartbeat": {CDC, OPS},
    "SELECT cdc_beat()": {CDC},
    "SELECT cdc_emit_again(0, 0, 1)": {CDC},
    "SELECT cdc_emit_any_again()": {CDC},
    "ALTER PUBLICATION coupon_cdc SET (publish = 'insert')": NOBODY,
    "ALTER PUBLICATION coupon_events SET (publish = 'insert')": NOBODY,
    # Postgres has no right for one plugin alone: reference/rights.md says what follows.
    "SELECT pg_create_logical_replication_slot('of_a_test', 'test_decoding', true)": {CDC},
    "SELECT FROM incomplete_restore": NOBODY,
    # operators
    ACTION: {OPS},
    ACTION.replace("acted_by,", "login, acted_by,").replace("('a", "('coupon_api', 'a"): NOBODY,
    "UPDATE dead_letter_action SET detail = 'no'": NOBODY,
    "DELETE FROM dead_letter_action": NOBODY,
    "SELECT FROM dead_letter_action": {OPS, MONITOR},
    AUDITED.format("acted_by", "'a test'"): {OPS},
    AUDITED.format("acted_by, acted_at", "'a test', now()"): NOBODY,
    AUDITED.format("acted_by, login", "'a test', 'coupon_api'"): NOBODY,
    "UPDATE operator_action SET detail = 'no'": NOBODY,
    "DELETE FROM operator_action": NOBODY,
    "SELECT FROM operator_action": {OPS, MONITOR},
    "SELECT FROM coupon_action": {API},
    "SELECT FROM _yoyo_migration": {OPS},
    # writing nothing
    "SELECT try_write()": READERS,
    "SELECT standby_state()": READERS,
    "INSERT INTO write_check VALUES ('x')": NOBODY,
    # locks that say who works
    "SELECT pg_try_advisory_lock(1668249710)": LOCKERS,
    "SELECT pg_advisory_lock(1668249710)": LOCKERS,
    "SELECT pg_try_advisory_lock_shared(1668249710)": LOCKERS,
    "SELECT pg_advisory_xact_lock(1668249711, 1)": LOCKERS,
    "SELECT pg_try_advisory_xact_lock_shared(1668249711, 1)": LOCKERS,
    "LOCK TABLE coupon IN ACCESS EXCLUSIVE MODE": NOBODY,
    # the database and the server
    "CREATE TABLE of_a_test ()": NOBODY,
    "CREATE TEMPORARY TABLE of_a_test ()": NOBODY,
    "CREATE SCHEMA of_a_test": NOBODY,
    "CREATE FUNCTION of_a_test() RETURNS int RETURN 1": NOBODY,
    "TRUNCATE coupon": NOBODY,
    "DROP TABLE coupon": NOBODY,
    "ALTER TABLE coupon ADD COLUMN of_a_test int": NOBODY,
    "ALTER TABLE coupon DISABLE TRIGGER ALL": NOBODY,
    "ALTER SYSTEM SET work_mem = '1MB'": NOBODY,
    "ALTER ROLE coupon_owner PASSWORD 'x'": NOBODY,
    "SET ROLE coupon_owner": NOBODY,
    "SET session_replication_role = 'replica'": NOBODY,
    "SELECT rolpassword FROM pg_authid": NOBODY,
    "SELECT pg_read_file('PG_VERSION')": NOBODY,
    "COPY coupon TO PROGRAM 'true'": NOBODY,
}


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
