"""Processes of this version that are started before `coupon migrate`: nothing is lost by that."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from cdc_consumer.handling import BatchHandler
from coupons.errors import LedgerUnavailable
from coupons.gate import Gate, open_coupon
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import find_coupon
from coupons.ledger.migrations import admit_roles, create_database, migrate
from coupons.ledger.refusals import LedgerRefusal
from coupons.ledger.roles import OWNER
from coupons.model import Coupon, Status
from operations.doctor.findings import Finding, Level, Section
from operations.doctor.postgres import check_database
from operations.doctor.system import System
from tests.support.databases import Database, Databases
from tests.support.events import KeptLetters, request_records
from tests.support.handling import issued_users, statuses
from tests.support.previous_version import Version
from tests.support.servers import PostgresServer

MIGRATE = "import sys; from coupons.ledger.migrations import migrate; migrate(sys.argv[1])"
NOWHERE = "127.0.0.1:1"
USERS = [1, 2]


@pytest.fixture
def database(
    databases: Databases, postgres_server: PostgresServer, previous_version: Version
) -> Iterator[Database]:
    """A database as the previous version migrates it."""
    assert databases  # it made the roles
    made = Database(postgres_server.superuser_url, f"previous_{os.getpid()}")
    create_database(made.superuser_url, made.name, OWNER)
    try:
        admit_roles(made.superuser_url, made.name)
        command = [sys.executable, "-c", MIGRATE, made.url(OWNER)]
        subprocess.run(command, cwd=previous_version.source, check=True)
        yield made
    finally:
        with psycopg.connect(made.superuser_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {made.name} WITH (FORCE)".encode())


@pytest.fixture
def coupon(database: Database, gate: Gate) -> Coupon:
    """As the previous version made it: this one creates coupons with columns that it lacks."""
    with connect_ledger(database.url(OWNER), "test") as owner:
        owner.execute("INSERT INTO coupon (coupon_id, name, total_quantity) VALUES (1, 'n', 100)")
        made = find_coupon(owner, 1)
    assert made is not None
    assert open_coupon(gate, made)
    return made


def _owner(database: Database, statement: str) -> None:
    with psycopg.connect(database.url(OWNER), autocommit=True) as owner:
        owner.execute(statement.encode())


def _found_by_doctor(database: Database) -> Finding:
    """What `coupon doctor` says of the migrations."""
    urls = (f"redis://{NOWHERE}/0", KafkaClient(NOWHERE), f"http://{NOWHERE}", f"http://{NOWHERE}")
    system = System(None, None, database.url("coupon_ops"), *urls, "group")
    return next(each for each in check_database(system) if each.check == "migrations")


def test_the_doctor_names_the_migrations_that_this_version_needs(database: Database) -> None:
    found = _found_by_doctor(database)
    for migration in migrate(database.url(OWNER)):
        assert migration in found.says
        assert (found.level, found.section) == (Level.FAILING, Section.NOT_PREPARED)
        assert found.command == "coupon migrate --help"
    assert _found_by_doctor(database).level is Level.OK


def test_a_consumer_on_the_previous_schema_issues_or_waits_for_the_migration(
    database: Database, handler: BatchHandler, coupon: Coupon, gate: Gate, letters: KeptLetters
) -> None:
    batch = request_records(coupon.coupon_id, USERS)
    says = ""
    try:
        handler.handle(batch)
    except LedgerUnavailable as error:
        says = str(error)
    assert not says or says.startswith(LedgerRefusal.OTHER_SCHEMA)
    migrate(database.url(OWNER))
    handler.handle(batch)
    _check_issued(database, coupon, gate, letters)


def test_a_consumer_whose_schema_lacks_a_column_waits_and_says_what_to_type(
    database: Database, handler: BatchHandler, coupon: Coupon, gate: Gate, letters: KeptLetters
) -> None:
    _owner(database, "ALTER TABLE issue_rejection RENAME COLUMN reason TO of_another_version")
    with pytest.raises(LedgerUnavailable, match="run `coupon migrate`") as refused:
        handler.handle(request_records(coupon.coupon_id, USERS))
    assert str(refused.value).startswith(LedgerRefusal.OTHER_SCHEMA)
    _owner(database, "ALTER TABLE issue_rejection RENAME COLUMN of_another_version TO reason")
    handler.handle(request_records(coupon.coupon_id, USERS))
    _check_issued(database, coupon, gate, letters)


def _check_issued(database: Database, coupon: Coupon, gate: Gate, letters: KeptLetters) -> None:
    assert issued_users(database) == USERS
    assert statuses(gate, coupon, USERS) == [Status.ISSUED] * len(USERS)
    assert letters.letters == []
