"""The doctor says what Postgres' sessions wait for, by name; the runbook's words mend it."""

import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from coupons.kafka.client import KafkaClient
from coupons.ledger.refusals import LedgerRefusal
from coupons.waiting import eventually
from operations.doctor.checks import run_checks
from operations.doctor.findings import Finding, Level, Section
from operations.doctor.gate import check_redis_writes
from operations.doctor.postgres import check_database, check_postgres_writes
from operations.doctor.postgres_waits import check_waits
from operations.doctor.runbook_sections import section_of
from operations.doctor.system import System
from stack.ports import HOST, free_ports
from tests.support.databases import Database
from tests.support.refusing import postgres_setting

RUNBOOK = (Path(__file__).parents[2] / "docs" / "how-to" / "runbook.md").read_text("utf-8")
LOCAL = "-c synchronous_commit=local"


@pytest.fixture
def places(database: Database) -> System:
    """The database as coupon_ops sees it; nothing else is there."""
    away = free_ports(["away"])["away"]
    return System(
        None,
        None,
        database.url("coupon_ops"),
        f"redis://{HOST}:{away}/0",
        KafkaClient(f"{HOST}:{away}"),
        f"http://{HOST}:{away}",
        f"http://{HOST}:{away}",
        "group",
    )


@contextmanager
def superuser(database: Database) -> Iterator[psycopg.Connection[Any]]:
    url = database.superuser_url
    with psycopg.connect(url, dbname=database.name, autocommit=True, options=LOCAL) as connection:
        yield connection


def statements(section: Section) -> list[str]:
    """The SQL that the runbook's page says to type as superuser, with `coupon sql`."""
    page = RUNBOOK.partition(f"### {section}\n")[2].partition("\n###")[0]
    typed = page.partition("- **Type**")[2]
    lines = re.findall(r"`coupon sql --as superuser ([^`]+)`", typed)
    return [statement for line in lines for statement in shlex.split(line)]


def type_as_superuser(database: Database, section: Section, **values: object) -> None:
    found = statements(section)
    assert found, f"the page {section} says nothing to type"
    with superuser(database) as connection:
        for statement in found:
            connection.execute(statement.replace("PID", str(values.get("pid", "PID"))))


def find(places: System, check: str) -> Finding:
    return next(each for each in check_waits(places) if each.check == check)


def waits_for_standby(connection: psycopg.Connection[Any], database: Database) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'SyncRep'",
        [database.name],
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_nothing_waits_in_a_database_that_is_well(places: System) -> None:
    found = [*check_waits(places), *check_postgres_writes(places)]
    assert {each.level for each in found} == {Level.OK}


def test_the_standby_that_commits_wait_for_is_named_and_mended(
    places: System, database: Database
) -> None:
    """The standby that every commit waits for is named and the page mends it."""
    with (
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner,
        superuser(database) as other,
        postgres_setting(database.superuser_url, "synchronous_standby_names", "nobody"),
    ):
        told = find(places, "standbys")
        assert (told.level, told.section) == (Level.FAILING, Section.STANDBY_DOWN)
        writing = threads.submit(owner.execute, "CREATE TABLE of_a_test ()")
        eventually(lambda: waits_for_standby(other, database) == 1)
        says = find(places, "standbys").says
        assert "'nobody'" in says
        assert "connected are none" in says
        assert "1 commits wait" in says
        type_as_superuser(database, Section.STANDBY_DOWN)
        writing.result(20)
        eventually(lambda: find(places, "standbys").level is Level.OK)


def test_who_blocks_a_waiting_alter_is_named_and_mended(places: System, database: Database) -> None:
    with (
        ThreadPoolExecutor(2) as threads,
        psycopg.connect(database.url("coupon_owner"), application_name="a-claim") as claim,
        psycopg.connect(database.url("coupon_owner"), application_name="an-alter") as alter,
        closing(
            psycopg.connect(database.url("coupon_owner"), application_name="a-reader")
        ) as reader,
    ):
        pid = reader.info.backend_pid
        reader.execute("SELECT FROM coupon")
        altering = threads.submit(alter.execute, "ALTER TABLE coupon ADD COLUMN note text")
        eventually(lambda: is_waiting(database, "an-alter"))
        claiming = threads.submit(claim.execute, "SELECT FROM coupon")
        told = eventually(
            lambda: (found := find(places, "locks")).says.startswith("2 ") and found, 20
        )
        assert isinstance(told, Finding)
        assert (told.level, told.section) == (Level.FAILING, Section.LOCKED)
        first, _, behind = told.says.partition(";")
        assert f"process {pid} (coupon_owner, a-reader, idle in transaction" in first
        assert "an-alter" in behind
        assert f"pg_terminate_backend({pid})" in str(told.command)
        type_as_superuser(database, Section.LOCKED, pid=pid)
        altering.result(20)
        alter.rollback()
        claiming.result(20)
        assert find(places, "locks").level is Level.OK


def is_waiting(database: Database, application: str) -> bool:
    with superuser(database) as connection:
        row = connection.execute(
            "SELECT FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'",
            [application],
        ).fetchone()
    return row is not None


def test_when_every_connection_is_taken_the_doctor_says_by_whom(
    places: System, database: Database
) -> None:
    """When every connection is taken the doctor gets in and says by whom."""
    with ExitStack() as held:
        with suppress(psycopg.OperationalError):
            while True:
                url = database.url("coupon_consumer")
                held.enter_context(closing(psycopg.connect(url, application_name="a-greedy-one")))
        told = find(places, "connections")
        assert (told.level, told.section) == (Level.FAILING, Section.NO_CONNECTIONS)
        assert "of coupon_consumer" in told.says
        assert "a-greedy-one" in told.says
        for other in examine_as(places, database, "coupon_api"):
            assert other.section == Section.NO_CONNECTIONS, other
        type_as_superuser(database, Section.NO_CONNECTIONS)
        eventually(lambda: find(places, "connections").level is Level.OK)


def examine_as(places: System, database: Database, role: str) -> list[Finding]:
    """What the checks of Postgres say to somebody for whom no connection is reserved."""
    found = run_checks(places._replace(database_url=database.url(role)), 20)
    return [each for each in found if each.check in ("postgres", "ledger writes")]


def test_a_slot_that_the_stream_waits_for_is_named_and_mended(
    places: System, database: Database
) -> None:
    """A slot that the change stream waits for in vain is named and the page mends it."""
    assert find(places, "awaited slots").level is Level.OK
    with postgres_setting(database.superuser_url, "synchronized_standby_slots", "nobody"):
        told = find(places, "awaited slots")
        assert (told.level, told.section) == (Level.FAILING, Section.STREAM_WAITS)
        assert "nobody is missing" in told.says
        type_as_superuser(database, Section.STREAM_WAITS)
        eventually(lambda: find(places, "awaited slots").level is Level.OK)


def test_a_postgres_that_only_reads_is_not_called_down_and_is_mended(
    places: System, database: Database
) -> None:
    """A postgres that only reads is not called down and the page mends it."""
    with postgres_setting(database.superuser_url, "default_transaction_read_only", "on"):
        [told] = check_postgres_writes(places)
        assert (told.level, told.section) == (Level.FAILING, Section.POSTGRES_REFUSES)
        assert told.says.startswith(LedgerRefusal.READ_ONLY)
        type_as_superuser(database, Section.POSTGRES_REFUSES)
        eventually(lambda: next(check_postgres_writes(places)).level is Level.OK)


def test_whoever_holds_the_reconcilers_lock_is_named(places: System, database: Database) -> None:
    for role, level in (("coupon_reconciler", Level.OK), ("coupon_owner", Level.FAILING)):
        with psycopg.connect(database.url(role), application_name="the-holder") as holder:
            holder.execute("SELECT pg_advisory_lock(1668249710)")
            told = next(each for each in check_database(places) if each.check == "reconciler")
            assert (told.level, "the-holder" in told.says) == (level, True)
            assert told.section is (None if level is Level.OK else Section.FOREIGN_LOCK)
            if level is Level.FAILING:
                assert role in told.says
                type_as_superuser(database, Section.FOREIGN_LOCK)
                with pytest.raises(psycopg.OperationalError):
                    holder.execute("SELECT 1")


def test_a_server_that_is_away_is_called_down(places: System) -> None:
    assert {each.section for each in run_checks(places) if each.check == "gate writes"} == {
        Section.REDIS_DOWN
    }
    with pytest.raises(Exception, match="does not answer") as away:
        list(check_redis_writes(places))
    assert section_of(away.value, Section.REDIS_DOWN) is Section.REDIS_DOWN
