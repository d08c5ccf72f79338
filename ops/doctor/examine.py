"""All checks, side by side, each with a deadline: a server that hangs holds up nothing else."""

import time
from collections.abc import Callable, Iterable
from textwrap import shorten
from threading import Thread
from typing import NamedTuple

import psycopg

from coupons.errors import CouponError
from ops.doctor.connector import check_connector
from ops.doctor.database import check_database
from ops.doctor.findings import Finding, Section, failing
from ops.doctor.places import Places
from ops.doctor.postgres_waits import check_waits
from ops.doctor.processes import check_parts
from ops.doctor.refusals import section_of
from ops.doctor.requests import check_final, check_gate
from ops.doctor.serving import check_postgres_writes, check_redis_writes
from ops.doctor.stream import check_heartbeat, check_kafka, check_registry
from stack.errors import StackError

DEADLINE_SECONDS = 12.0
LONGEST_SENTENCE = 200


class Check(NamedTuple):
    """A check, and what it means when the server that it asks does not answer."""

    name: str
    look: Callable[[Places], Iterable[Finding]]
    away: Section


CHECKS = (
    Check("parts", check_parts, Section.PART_DOWN),
    Check("postgres", check_database, Section.POSTGRES_DOWN),
    Check("ledger writes", check_postgres_writes, Section.POSTGRES_DOWN),
    Check("ledger waits", check_waits, Section.POSTGRES_DOWN),
    Check("gate writes", check_redis_writes, Section.REDIS_DOWN),
    Check("connector", check_connector, Section.CONNECT_DOWN),
    Check("kafka", check_kafka, Section.KAFKA_DOWN),
    Check("schemas", check_registry, Section.REGISTRY_DOWN),
    Check("gate", check_gate, Section.REDIS_DOWN),
    Check("heartbeat", check_heartbeat, Section.REDIS_DOWN),
    Check("requests", check_final, Section.POSTGRES_DOWN),
)


def examine(places: Places, deadline_s: float = DEADLINE_SECONDS) -> list[Finding]:
    """Every finding, in the order of CHECKS; never raises for what is away, never hangs."""
    found: dict[str, list[Finding]] = {check.name: [] for check in CHECKS}
    running = []
    for check in CHECKS:
        arguments = (check, places, found[check.name])
        # As daemons: one that hangs does not keep the command from ending.
        thread = Thread(target=_look, args=arguments, name=check.name, daemon=True)
        thread.start()
        running.append((check, thread))
    until = time.monotonic() + deadline_s
    for check, thread in running:
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            says = f"it does not answer within {deadline_s:.0f} s"
            found[check.name].append(failing(check.name, says, "coupon status", check.away))
    return [finding for findings in found.values() for finding in list(findings)]


def _look(check: Check, places: Places, findings: list[Finding]) -> None:
    try:
        for finding in check.look(places):
            findings.append(finding)
    except (CouponError, StackError, psycopg.Error, OSError) as error:
        says = shorten(str(error).strip().partition("\n")[0], LONGEST_SENTENCE, placeholder=" ...")
        findings.append(failing(check.name, says, _start(places), section_of(error, check.away)))


def _start(places: Places) -> str:
    return "coupon up" if places.folder else "start that server, then `coupon doctor` again"
