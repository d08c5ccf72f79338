"""All checks, side by side, each with a deadline: a server that hangs holds up nothing else."""

import time
from collections.abc import Callable, Iterable
from threading import Thread
from typing import NamedTuple

from operations.doctor.api import check_api
from operations.doctor.blame import blamed, is_refusal, is_turned_away, sentence
from operations.doctor.causes import arrange
from operations.doctor.connector import check_connector
from operations.doctor.consistency import check_consistency
from operations.doctor.consumers import check_consumers, check_progress
from operations.doctor.database import check_database
from operations.doctor.dead_letters import check_dead_letters
from operations.doctor.disk import check_disk
from operations.doctor.findings import Finding, Section, failing, unknown
from operations.doctor.postgres_waits import check_waits
from operations.doctor.processes import check_parts
from operations.doctor.requests import check_final, check_gate, check_redis
from operations.doctor.serving import check_postgres_writes, check_redis_writes
from operations.doctor.stream import check_heartbeat, check_kafka, check_registry
from operations.doctor.system import System
from operations.doctor.topics import check_topic_settings
from operations.doctor.went_back import check_ledger_history
from operations.doctor.young import check_young

DEADLINE_SECONDS = 12.0


class Check(NamedTuple):
    """A check, and what it means when the server that it asks does not answer.

    look: may raise anything. The first check of CHECKS with an `away` finds that server failing;
    the others could then not look.
    """

    name: str
    look: Callable[[System], Iterable[Finding]]
    away: Section


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
    Check("consumers", check_consumers, Section.CONSUMER_AWAY),
    Check("progress", check_progress, Section.KAFKA_DOWN),
    Check("dead letters", check_dead_letters, Section.KAFKA_DOWN),
    Check("books", check_consistency, Section.REDIS_DOWN),
)


def run_checks(
    places: System, deadline_s: float = DEADLINE_SECONDS, checks: Iterable[Check] = CHECKS
) -> list[Finding]:
    """Every finding, root causes first; never raises for what is away, never hangs."""
    found: dict[str, list[Finding]] = {}
    owners: dict[Section, str] = {}
    running = []
    for check in checks:
        found[check.name] = []
        owns = owners.setdefault(check.away, check.name) == check.name
        arguments = (check, owns, places, found[check.name])
        # As daemons: one that hangs does not keep the command from ending.
        thread = Thread(target=_look, args=arguments, name=check.name, daemon=True)
        thread.start()
        running.append((check, owns, thread))
    until = time.monotonic() + deadline_s
    for check, owns, thread in running:
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            says = f"it does not answer within {deadline_s:.0f} s"
            found[check.name].append(_away(check.name, owns, says, "coupon status", check.away))
    return arrange([finding for findings in found.values() for finding in list(findings)])


def _look(check: Check, owns: bool, places: System, findings: list[Finding]) -> None:
    try:
        for finding in check.look(places):
            findings.append(finding)
    except Exception as error:
        # Whatever it is: a check that ends early is said, and never passed over.
        section = blamed(error) or check.away
        turned_away = is_refusal(error) or is_turned_away(error.__cause__)
        is_away = owns and (blamed(error) is check.away or turned_away)
        findings.append(_away(check.name, is_away, sentence(error), _start(places), section))


def _away(name: str, is_away: bool, says: str, command: str, section: Section) -> Finding:
    return (failing if is_away else unknown)(name, says, command, section)


def _start(places: System) -> str:
    return "coupon up" if places.folder else "start that server, then `coupon doctor` again"
