"""What a support bundle holds: each entry by its name, and how it is read."""

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from connectors.connect import Connect
from connectors.lifecycle import CONNECTOR_NAME
from connectors.slot import read_slot
from coupons.endpoints import CONNECT_URL, DATABASE_URL, Endpoints
from coupons.errors import ConnectorError, CouponError
from coupons.ledger.connection import connect_ledger
from operations.doctor.checks import run_checks
from operations.doctor.findings import verdict
from operations.doctor.system import find_system
from operations.gate import report_gate
from operations.session import connect
from operations.top.reading import read_state
from stack.cache import bundle_folders
from stack.endpoints import folder_of
from stack.folder import StateFolder
from stack.options import existing
from stack.parts import Part
from stack.plan import all_parts
from stack.report import report
from stack.versions import versions

MOST_COUPONS = 1_000
LOG_BYTES = 512 * 1024
_ANSWER_SECONDS = 5.0

Entries = dict[str, Callable[[], Any]]


def entries(where: Endpoints, settings: Mapping[str, Mapping[str, str]]) -> Entries:
    """How each file of the bundle is read: a text, or a value for JSON. Each may raise anything.

    settings: the COUPON_* variables of this shell and of each process. Raises SettingError where
    there is no stack in the folder.
    """
    folder = folder_of(where)
    logs = _logs(folder) if folder is not None else {"logs": _no_logs}
    stack: Entries = {}
    if folder is not None:
        # Here and not on a thread: it creates secrets that are missing, as the doctor does.
        parts = all_parts(folder, existing(folder), bundle_folders())
        stack = {"stack.json": lambda: _stack(folder, parts)}
    return {
        "versions.json": lambda: _versions(folder),
        "settings.json": lambda: settings,
        "machine.json": lambda: _machine(folder),
        **stack,
        "doctor.json": lambda: _doctor(where),
        "state.json": lambda: read_state(where),
        "connector.json": lambda: _connector(where),
        "gate.json": lambda: _gate(where),
        "slot.json": lambda: _slot(where),
        **logs,
    }


def process_settings(where: Endpoints) -> Iterator[tuple[str, dict[str, str]]]:
    """The environment of this command, and of each process of the embedded stack that runs."""
    yield "this shell", dict(os.environ)
    folder = folder_of(where)
    for name in folder.part_names() if folder is not None else ():
        assert folder is not None
        run = folder.part(name).last_run()
        process = run.process() if run is not None else None
        try:
            if process is not None:
                yield name, process.environ()
        except psutil.Error:  # it has ended, or belongs to another user
            continue


def _versions(folder: StateFolder | None) -> dict[str, Any]:
    packages = {each.name: each.version for each in metadata.distributions()}
    return {
        "coupon-cdc": metadata.version("coupon-cdc"),
        "python": sys.version,
        "servers": versions() if folder is not None else "not those of the embedded stack",
        "packages": dict(sorted(packages.items())),
    }


def _machine(folder: StateFolder | None) -> dict[str, Any]:
    """Without the names of the machine and of its users."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(folder.path) if folder else "/")
    return {
        "system": platform.platform(),
        "processors": psutil.cpu_count(),
        "load": os.getloadavg(),
        "memory": {"total": memory.total, "available": memory.available},
        "swap_used": psutil.swap_memory().used,
        "disk": {"size": disk.total, "free": disk.free},
        "open_files_limit": resource.getrlimit(resource.RLIMIT_NOFILE),
        "up_seconds": round(time.time() - psutil.boot_time()),
        "time_zone": time.tzname,
        "in_container": Path("/.dockerenv").exists(),
    }


def _stack(folder: StateFolder, parts: Sequence[Part]) -> dict[str, Any]:
    reports = report(folder, parts)
    return {"options": asdict(existing(folder)), "parts": [asdict(each) for each in reports]}


def _doctor(where: Endpoints) -> dict[str, Any]:
    findings = run_checks(find_system(where))
    return {"verdict": verdict(findings), "findings": [each._asdict() for each in findings]}


def _connector(where: Endpoints) -> dict[str, Any]:
    client = Connect(where[CONNECT_URL], _ANSWER_SECONDS, rebalance_s=0.0)
    found = client.call("GET", f"/connectors/{CONNECTOR_NAME}/status")
    if found is None:
        raise ConnectorError(f"there is no connector {CONNECTOR_NAME}")
    config = client.call("GET", f"/connectors/{CONNECTOR_NAME}/config")
    return {"status": found, "config": config, "plugins": client.call("GET", "/connector-plugins")}


def _gate(where: Endpoints) -> dict[str, Any]:
    with connect(where) as session:
        coupons, failures = session.coupons(None)
        newest = coupons[-MOST_COUPONS:]
        reports = report_gate(session.gate, session.connection, newest)
    return {
        "coupons": len(coupons),
        "shown": [each.as_json() for each in reports],
        "unreadable": [each._asdict() for each in failures[:MOST_COUPONS]],
    }


def _slot(where: Endpoints) -> dict[str, Any]:
    with connect_ledger(
        where[DATABASE_URL], "coupon-support-bundle", _ANSWER_SECONDS
    ) as connection:
        return read_slot(connection)._asdict()


def _logs(folder: StateFolder) -> Entries:
    files = {f"logs/{name}.log": folder.part(name).log for name in folder.part_names()}
    return {name: partial(_log_end, file) for name, file in files.items()}


def _log_end(log: Path) -> str:
    """At most LOG_BYTES. A line that is not complete is left out: it may begin in a secret."""
    with log.open("rb") as file:
        begin = max(0, file.seek(0, os.SEEK_END) - LOG_BYTES)
        file.seek(begin)
        text = file.read(LOG_BYTES).decode("utf-8", "replace")
    return text.partition("\n")[2] if begin else text


def _no_logs() -> str:
    raise CouponError(
        "the processes run elsewhere: add the last lines of their logs yourself, such as those of"
        " `docker compose logs --tail 2000`, and remove secrets from them"
    )
