"""Runs all checks in parallel with a deadline: a server that hangs delays no other check.

Nor does a check whose result is known to be a consequence of what another one found.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Thread
from typing import NamedTuple

from coupons.waiting import attempts
from operations.doctor.causes import arrange, reasons
from operations.doctor.codes import check_codes
from operations.doctor.commands import check_server, resolve
from operations.doctor.consistency import check_consistency
from operations.doctor.coupon_events import check_events
from operations.doctor.dead_letters import check_dead_letters
from operations.doctor.erasures import check_erasures
from operations.doctor.findings import Finding, Level, Section, failing, unknown
from operations.doctor.gate import check_gate, check_redis, check_redis_writes
from operations.doctor.health import check_api, check_consumers
from operations.doctor.kafka import (
    check_consuming,
    check_kafka,
    check_progress,
    check_topic_settings,
)
from operations.doctor.ledger_history import check_ledger_history
from operations.doctor.lists import check_lists
from operations.doctor.machine import check_disk, check_parts
from operations.doctor.postgres import check_database, check_postgres_writes
from operations.doctor.postgres_waits import check_waits
from operations.doctor.requests import check_final
from operations.doctor.retirements import check_retirements
from operations.doctor.runbook_sections import is_locked_out, is_refusal, runbook_section, sentence
from operations.doctor.stream import check_connector, check_heartbeat, check_registry
from operations.doctor.system import System
from operations.doctor.young_requests import check_young

DEADLINE_SECONDS = 12.0
EXPLAINED_SECONDS = 1.5
"""So long a check is awaited that another finding explains: what answers at once is shown too."""
_PAUSE_SECONDS = 0.02

_NO_POSTGRES = frozenset({Section.POSTGRES_DOWN})
_NO_REDIS = frozenset({Section.REDIS_DOWN})
_NO_KAFKA = frozenset({Section.KAFKA_DOWN})
_NO_STORES = _NO_POSTGRES | _NO_REDIS
_NO_CONSUMER = reasons(Section.CONSUMER_DOWN) | {Section.CONSUMER_DOWN}
_NO_STREAM = reasons(Section.STALE) | {Section.STALE}


class Check(NamedTuple):
    """A check, and the section for a server that does not answer it.

    run: may raise anything. The first check of CHECKS with a `down_section` reports that server as
    failing; the later ones with the same section report that they do not know.

    explained_by: while one of these states is failing, the check finds nothing but a consequence of
    it, or cannot find anything. It is awaited for EXPLAINED_SECONDS only.
    """

    name: str
    run: Callable[[System], Iterable[Finding]]
    down_section: Section
    explained_by: frozenset[Section] = frozenset()


CHECKS = (
    Check("parts", check_parts, Section.PART_DOWN),
    Check("postgres", check_database, Section.POSTGRES_DOWN),
    Check("redis", check_redis, Section.REDIS_DOWN),
    Check("ledger writes", check_postgres_writes, Section.POSTGRES_DOWN, _NO_POSTGRES),
    Check("ledger waits", check_waits, Section.POSTGRES_DOWN, _NO_POSTGRES),
    Check("gate writes", check_redis_writes, Section.REDIS_DOWN, _NO_REDIS),
    Check("kafka", check_kafka, Section.KAFKA_DOWN),
    Check("consumer", check_consuming, Section.KAFKA_DOWN, _NO_CONSUMER),
    Check("topic settings", check_topic_settings, Section.KAFKA_DOWN, _NO_KAFKA),
    # The registry keeps its schemas in Postgres.
    Check("schemas", check_registry, Section.REGISTRY_DOWN, _NO_POSTGRES | _NO_KAFKA),
    # Connect answers nothing about its connectors while Kafka is down.
    Check("connector", check_connector, Section.CONNECT_DOWN, _NO_KAFKA),
    Check("events", check_events, Section.CONNECT_DOWN, _NO_KAFKA | _NO_POSTGRES),
    Check(
        "ledger history",
        check_ledger_history,
        Section.POSTGRES_DOWN,
        _NO_STORES | _NO_KAFKA | {Section.REGISTRY_DOWN},
    ),
    Check("erasures", check_erasures, Section.KAFKA_DOWN, _NO_POSTGRES | _NO_KAFKA),
    Check("gate", check_gate, Section.REDIS_DOWN, _NO_STORES),
    Check("heartbeat", check_heartbeat, Section.REDIS_DOWN, _NO_REDIS),
    Check("requests", check_final, Section.POSTGRES_DOWN, _NO_STORES | _NO_KAFKA),
    Check("young requests", check_young, Section.POSTGRES_DOWN, _NO_STREAM | _NO_CONSUMER),
    Check("codes", check_codes, Section.POSTGRES_DOWN, _NO_POSTGRES),
    Check("lists", check_lists, Section.REDIS_DOWN, _NO_STORES),
    Check("retirements", check_retirements, Section.POSTGRES_DOWN, _NO_POSTGRES),
    Check("disk", check_disk, Section.DISK_FULL),
    Check("api", check_api, Section.PART_DOWN, reasons(Section.PART_DOWN)),
    Check("consumers", check_consumers, Section.CONSUMER_DOWN),
    Check("progress", check_progress, Section.KAFKA_DOWN, _NO_CONSUMER),
    Check("dead letters", check_dead_letters, Section.KAFKA_DOWN, _NO_POSTGRES | _NO_KAFKA),
    Check("consistency", check_consistency, Section.REDIS_DOWN, _NO_STORES),
)


class Run(NamedTuple):
    """A check that was started. owns: whether it reports its server as failing."""

    check: Check
    owns: bool
    began_s: float
    thread: Thread
    found: list[Finding]


def run_checks(
    system: System,
    deadline_s: float = DEADLINE_SECONDS,
    checks: Iterable[Check] = CHECKS,
    hanging: dict[str, Run] | None = None,
) -> list[Finding]:
    """Every finding, root causes first. Never hangs, and never raises because a server is down.

    hanging: for one who calls it again and again: the checks that were not awaited to their end, by
    name. One of them that still runs is not started a second time.
    """
    hanging = {} if hanging is None else hanging
    left = {name: run for name, run in hanging.items() if run.thread.is_alive()}
    hanging.clear()
    owners: dict[Section, str] = {}
    runs = []
    for check in checks:
        owns = owners.setdefault(check.down_section, check.name) == check.name
        if (earlier := left.get(check.name)) is None:
            runs.append(_start(check, owns, system))
        else:
            hanging[check.name] = earlier
    _await(runs, deadline_s)
    hanging.update((run.check.name, run) for run in runs if run.thread.is_alive())
    explaining = _failing(runs)
    unfinished = [_unfinished(run, explaining, deadline_s) for run in hanging.values()]
    found = [*(finding for run in runs for finding in list(run.found)), *unfinished]
    return arrange(each._replace(command=system.typed(each.command)) for each in found)


def _start(check: Check, owns: bool, system: System) -> Run:
    found: list[Finding] = []
    arguments = (check, owns, system, found)
    # Daemons: a check that hangs does not keep the command from ending.
    thread = Thread(target=_run_check, args=arguments, name=check.name, daemon=True)
    thread.start()
    return Run(check, owns, time.monotonic(), thread, found)


def _await(runs: Sequence[Run], deadline_s: float) -> None:
    """Return when all have ended or are explained by what the others found, or at the deadline."""
    explained_from_s = time.monotonic() + min(EXPLAINED_SECONDS, deadline_s)
    for _ in attempts(deadline_s, _PAUSE_SECONDS):
        waiting = [run for run in runs if run.thread.is_alive()]
        if waiting and time.monotonic() > explained_from_s:
            explaining = _failing(runs)
            waiting = [run for run in waiting if not run.check.explained_by & explaining]
        if not waiting:
            return


def _failing(runs: Iterable[Run]) -> set[Section]:
    """The states that are known to be failing."""
    findings = [finding for run in runs for finding in list(run.found)]
    return {each.section for each in findings if each.level is Level.FAILING and each.section}


def _unfinished(run: Run, explaining: set[Section], deadline_s: float) -> Finding:
    """The finding for a check that has not ended."""
    name, section = run.check.name, run.check.down_section
    if because := sorted(run.check.explained_by & explaining, key=list(Section).index):
        return unknown(
            name,
            "its answer was not waited for, because something that it needs fails",
            "coupon doctor",
            because[0],
        )
    if time.monotonic() - run.began_s < deadline_s:
        return unknown(name, "it has not ended since the last time", "coupon doctor", section)
    says = f"it does not answer within {deadline_s:.0f} s"
    return _no_result(name, run.owns, says, check_server(section), section)


def _run_check(check: Check, owns: bool, system: System, findings: list[Finding]) -> None:
    try:
        for finding in check.run(system):
            findings.append(finding)
    except Exception as error:
        # Any error is reported: a check that ends early is never skipped silently.
        section = runbook_section(error) or check.down_section
        refused = is_refusal(error) or is_locked_out(error.__cause__)
        is_down = owns and (runbook_section(error) is check.down_section or refused)
        findings.append(_no_result(check.name, is_down, sentence(error), resolve(section), section))


def _no_result(name: str, is_down: bool, says: str, command: str, section: Section) -> Finding:
    return (failing if is_down else unknown)(name, says, command, section)
