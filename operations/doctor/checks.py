"""Runs all checks in parallel with a deadline: a server that hangs delays no other check."""

import time
from collections.abc import Callable, Iterable
from threading import Thread
from typing import NamedTuple

from operations.doctor.causes import arrange
from operations.doctor.consistency import check_consistency
from operations.doctor.dead_letters import check_dead_letters
from operations.doctor.findings import Finding, Section, failing, unknown
from operations.doctor.gate import check_gate, check_redis, check_redis_writes
from operations.doctor.health import check_api, check_consumers
from operations.doctor.kafka import check_kafka, check_progress, check_topic_settings
from operations.doctor.ledger_history import check_ledger_history
from operations.doctor.machine import check_disk, check_parts
from operations.doctor.postgres import check_database, check_postgres_writes
from operations.doctor.postgres_waits import check_waits
from operations.doctor.requests import check_final
from operations.doctor.runbook_sections import is_locked_out, is_refusal, runbook_section, sentence
from operations.doctor.stream import check_connector, check_heartbeat, check_registry
from operations.doctor.system import System
from operations.doctor.young_requests import check_young

DEADLINE_SECONDS = 12.0


class Check(NamedTuple):
    """A check, and the section for a server that does not answer it.

    run: may raise anything. The first check of CHECKS with a `down_section` reports that server as
    failing; the later ones with the same section report that they do not know.
    """

    name: str
    run: Callable[[System], Iterable[Finding]]
    down_section: Section


CHECKS = (
    Check("parts", check_parts, Section.PART_DOWN),
    Check("postgres", check_database, Section.POSTGRES_DOWN),
    Check("redis", check_redis, Section.REDIS_DOWN),
    Check("ledger writes", check_postgres_writes, Section.POSTGRES_DOWN),
    Check("ledger waits", check_waits, Section.POSTGRES_DOWN),
    Check("gate writes", check_redis_writes, Section.REDIS_DOWN),
    Check("kafka", check_kafka, Section.KAFKA_DOWN),
    Check("topic settings", check_topic_settings, Section.KAFKA_DOWN),
    Check("schemas", check_registry, Section.REGISTRY_DOWN),
    Check("connector", check_connector, Section.CONNECT_DOWN),
    Check("ledger history", check_ledger_history, Section.POSTGRES_DOWN),
    Check("gate", check_gate, Section.REDIS_DOWN),
    Check("heartbeat", check_heartbeat, Section.REDIS_DOWN),
    Check("requests", check_final, Section.POSTGRES_DOWN),
    Check("young requests", check_young, Section.POSTGRES_DOWN),
    Check("disk", check_disk, Section.DISK_FULL),
    Check("api", check_api, Section.PART_DOWN),
    Check("consumers", check_consumers, Section.CONSUMER_DOWN),
    Check("progress", check_progress, Section.KAFKA_DOWN),
    Check("dead letters", check_dead_letters, Section.KAFKA_DOWN),
    Check("consistency", check_consistency, Section.REDIS_DOWN),
)


def run_checks(
    system: System,
    deadline_s: float = DEADLINE_SECONDS,
    checks: Iterable[Check] = CHECKS,
    hanging: dict[str, Thread] | None = None,
) -> list[Finding]:
    """Every finding, root causes first. Never hangs, and never raises because a server is down.

    hanging: for one who calls it again and again: the checks that did not end in time, by name.
    One of them that still runs is not started a second time.
    """
    hanging = {} if hanging is None else hanging
    found: dict[str, list[Finding]] = {}
    owners: dict[Section, str] = {}
    threads = []
    for check in checks:
        found[check.name] = []
        owns = owners.setdefault(check.down_section, check.name) == check.name
        arguments = (check, owns, system, found[check.name])
        if (earlier := hanging.get(check.name)) is not None and earlier.is_alive():
            says = _silent(deadline_s)
            found[check.name].append(
                _no_result(check.name, owns, says, "coupon status", check.down_section)
            )
            continue
        # Daemons: a check that hangs does not keep the command from ending.
        thread = Thread(target=_run_check, args=arguments, name=check.name, daemon=True)
        thread.start()
        threads.append((check, owns, thread))
    until = time.monotonic() + deadline_s
    for check, owns, thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            hanging[check.name] = thread
            says = _silent(deadline_s)
            found[check.name].append(
                _no_result(check.name, owns, says, "coupon status", check.down_section)
            )
    return arrange([finding for findings in found.values() for finding in list(findings)])


def _silent(deadline_s: float) -> str:
    return f"it does not answer within {deadline_s:.0f} s"


def _run_check(check: Check, owns: bool, system: System, findings: list[Finding]) -> None:
    try:
        for finding in check.run(system):
            findings.append(finding)
    except Exception as error:
        # Any error is reported: a check that ends early is never skipped silently.
        section = runbook_section(error) or check.down_section
        refused = is_refusal(error) or is_locked_out(error.__cause__)
        is_down = owns and (runbook_section(error) is check.down_section or refused)
        findings.append(_no_result(check.name, is_down, sentence(error), _start(system), section))


def _no_result(name: str, is_down: bool, says: str, command: str, section: Section) -> Finding:
    return (failing if is_down else unknown)(name, says, command, section)


def _start(system: System) -> str:
    return "coupon up" if system.folder else "start that server, then `coupon doctor` again"
