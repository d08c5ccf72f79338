"""The project's own processes as parts of the stack."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import psutil

from coupons.ledger.roles import DATABASE
from stack.endpoints import (
    consumer_urls,
    database_url,
    link_key_file,
    receipt_key_file,
    stack_endpoints,
)
from stack.folder import StateFolder
from stack.options import StackOptions
from stack.parts import Part
from stack.ports import HOST
from stack.probes import http_ok
from stack.processes import Command

# Where `python -m` finds the packages, installed or not.
_ROOT = Path(__file__).parents[1]


def application_parts(folder: StateFolder, options: StackOptions) -> list[Part]:
    """API, consumers, reconciler and monitor; each has the password of its role only."""
    ports = options.ports
    api = {
        **stack_endpoints(folder, ports, "api"),
        "COUPON_API_HOST": HOST,
        "COUPON_API_PORT": str(ports["api"]),
        "COUPON_API_MANAGEMENT_PORT": str(ports["management"]),
        "COUPON_JWT_ALGORITHM": "HS256",
        "COUPON_RECEIPT_KEY_FILE": str(receipt_key_file(folder)),
    }
    reconciler = {
        **stack_endpoints(folder, ports, "reconciler"),
        "COUPON_RECONCILER_PORT": str(ports["reconciler"]),
    }
    parts = [
        _api_part(ports, api),
        _part(
            "reconciler",
            "reconciler",
            "/healthz",
            ports["reconciler"],
            reconciler,
            ("ledger", "valkey"),
        ),
    ]
    monitor = {
        **stack_endpoints(folder, ports, "monitor"),
        "COUPON_MONITOR_PORT": str(ports["monitor"]),
        "COUPON_MONITOR_LINK_KEY_FILE": str(link_key_file(folder)),
        "COUPON_MONITOR_OPERATOR_DATABASE_URL": database_url(folder, ports, "coupon_ops", DATABASE),
        "COUPON_MONITOR_DISKS": f"stack={folder.path.absolute()}",
        "COUPON_MONITOR_STATE_DIR": str(folder.path.absolute()),
        "COUPON_CONSUMER_URLS": consumer_urls(options),
        "COUPON_RECONCILER_URLS": f"http://{HOST}:{ports['reconciler']}",
    }
    parts.append(_part("monitor", "monitor", "/healthz", ports["monitor"], monitor, ("ledger",)))
    for name in options.consumer_names:
        consumer = {
            **stack_endpoints(folder, ports, "consumer"),
            "COUPON_CONSUMER_PORT": str(ports[name]),
            "COUPON_CONSUMER_INSTANCE_ID": name,
        }
        after = ("connector", "registry", "valkey")
        parts.append(_part(name, "cdc_consumer", "/healthz", ports[name], consumer, after))
    return parts


def _api_part(ports: Mapping[str, int], settings: Mapping[str, str]) -> Part:
    """Its management address tells whether it is ready; it uses its own port as well."""
    management = ports["management"]
    part = _part("api", "api", "/readyz", management, settings, ("ledger", "valkey"))
    return replace(part, ports={"api": ports["api"], "management": management})


def _part(
    name: str,
    module: str,
    path: str,
    port: int,
    settings: Mapping[str, str],
    after: tuple[str, ...],
) -> Part:
    # Other settings (sizes, limits) come from the caller's environment.
    env = {**os.environ, **settings}
    return Part(
        name,
        lambda: Command([sys.executable, "-m", module], env, _ROOT),
        lambda: http_ok(port, path),
        {name: port},
        after,
    )


def api_workers(api: psutil.Process) -> list[psutil.Process]:
    """Its children that serve claims: without the management process and dead ones."""
    return [child for child in api.children() if _serves(child)]


def _serves(process: psutil.Process) -> bool:
    try:
        return "api.management" not in process.cmdline()
    except psutil.Error:  # it has ended
        return False
