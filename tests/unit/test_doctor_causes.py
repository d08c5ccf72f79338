"""One root cause is named first, what follows from it after it; what was not seen is not green."""

import psycopg
import pytest

from coupons.errors import LedgerUnavailable, RedisUnavailable
from coupons.kafka.client import KafkaClient
from operations.doctor.causes import CAUSES, arrange, reasons
from operations.doctor.checks import Check, run_checks
from operations.doctor.findings import (
    Finding,
    Level,
    Section,
    elsewhere,
    failing,
    ok,
    unknown,
    warning,
)
from operations.doctor.system import System

NOWHERE = System(None, None, "", "", KafkaClient(""), "", "", "")


def fail(section: Section, check: str = "some check") -> Finding:
    return failing(check, "it is so", "coupon up", section)


@pytest.mark.parametrize("section", Section)
def test_no_state_is_a_reason_of_itself(section: Section) -> None:
    assert section not in reasons(section)


@pytest.mark.parametrize("section", CAUSES)
def test_a_reason_stands_before_what_it_explains(section: Section) -> None:
    order = list(Section)
    assert all(order.index(each) < order.index(section) for each in CAUSES[section])


def test_postgres_away_explains_registry_connector_consumer_and_api() -> None:
    follow = [
        Section.API_503,
        Section.REGISTRY_DOWN,
        Section.CONNECTOR_FAILED,
        Section.CONSUMER_DOWN,
        Section.STALE,
        Section.RECONCILER_DOWN,
        Section.GATE_UNAVAILABLE,
    ]
    found = arrange([*map(fail, follow), fail(Section.POSTGRES_DOWN)])
    assert found[0].section is Section.POSTGRES_DOWN
    assert found[0].because is None
    assert {each.because for each in found[1:]} == {Section.POSTGRES_DOWN}


def test_two_causes_that_do_not_explain_each_other_are_both_named() -> None:
    found = arrange([fail(Section.DEAD_LETTERS), fail(Section.SLOT_LOST), fail(Section.STALE)])
    assert [each.section for each in found if each.because is None] == [
        Section.SLOT_LOST,
        Section.DEAD_LETTERS,
    ]


def test_what_two_checks_found_of_one_cause_is_named_once() -> None:
    found = arrange([fail(Section.KAFKA_DOWN, "parts"), fail(Section.KAFKA_DOWN, "kafka")])
    assert [each.because for each in found] == [None, Section.KAFKA_DOWN]


def test_a_warning_explains_nothing_that_fails() -> None:
    lag = warning("consumer", "much", "coupon logs consumer-1", Section.LAG)
    stale, lagging = arrange([lag, fail(Section.STALE)])
    assert stale.because is None
    assert lagging.because is None


def test_what_is_well_comes_last() -> None:
    found = arrange(
        [
            ok("postgres", "it answers"),
            elsewhere("disk", "look there"),
            warning("wal", "much", "coupon connector status", Section.WAL_GROWS),
            unknown("gate", "no", "coupon up", Section.REDIS_DOWN),
            fail(Section.DEAD_LETTERS),
        ]
    )
    assert [each.level for each in found] == [
        Level.FAILING,
        Level.UNKNOWN,
        Level.WARNING,
        Level.ELSEWHERE,
        Level.OK,
    ]


def looked(error: Exception, away: Section, times: int = 1) -> list[Finding]:
    def look(_: System) -> list[Finding]:
        raise error

    return run_checks(NOWHERE, 5, [Check(f"check {n}", look, away) for n in range(times)])


def test_a_server_that_is_away_fails_one_check_only() -> None:
    """A server that is away fails once and the other checks could not look."""
    first, second = looked(RedisUnavailable("Redis does not answer"), Section.REDIS_DOWN, 2)
    assert (first.level, first.because) == (Level.FAILING, None)
    assert (second.level, second.because) == (Level.UNKNOWN, Section.REDIS_DOWN)


def test_a_check_that_stumbles_over_another_server_does_not_blame_its_own() -> None:
    [found] = looked(RedisUnavailable("Redis does not answer"), Section.POSTGRES_DOWN)
    assert (found.level, found.section) == (Level.UNKNOWN, Section.REDIS_DOWN)


@pytest.mark.parametrize(
    ("cause", "section"),
    [
        (psycopg.errors.UndefinedTable("no such table"), Section.NOT_PREPARED),
        (psycopg.errors.InsufficientPrivilege("permission denied"), Section.NOT_PREPARED),
        (
            psycopg.OperationalError('FATAL: password authentication failed for user "x"'),
            Section.NOT_PREPARED,
        ),
        (psycopg.OperationalError('FATAL: database "coupon" does not exist'), Section.NOT_PREPARED),
        (psycopg.errors.DiskFull("no space left on device"), Section.DISK_FULL),
    ],
)
def test_a_refused_statement_is_never_postgres_is_down(cause: Exception, section: Section) -> None:
    error = LedgerUnavailable("Postgres could not do it")
    error.__cause__ = cause
    [found] = looked(error, Section.POSTGRES_DOWN)
    # One that lets nobody in is the cause of what follows, and not only in the way.
    level = Level.FAILING if isinstance(cause, psycopg.OperationalError) else Level.UNKNOWN
    if section is Section.DISK_FULL:
        level = Level.UNKNOWN
    assert (found.level, found.section) == (level, section)


def test_a_check_with_an_error_of_its_own_is_said_and_is_not_green() -> None:
    [found] = looked(ValueError("year 0 is out of range"), Section.POSTGRES_DOWN)
    assert found.level is Level.UNKNOWN
    assert "ValueError: year 0 is out of range" in found.says
