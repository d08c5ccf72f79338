"""The systemd units and their files of settings: made from compose.yaml, whose processes they are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

COMPOSE = Path(__file__).parents[2] / "compose" / "compose.yaml"
PROGRAMS = "/opt/coupon/bin"
SECRETS = "/run/secrets"
SECRETS_HERE = "/etc/coupon/secrets"
PROCESSES = ("api", "consumer", "reconciler", "monitor")
ONCE = ("migrate", "connector")
CONSUMERS = (1, 2, 3)
"""Instances of the unit of consumers that the target starts."""

STOP = "20s"
"""Of processes for which compose.yaml names no other time."""

GENERATED = "# Generated from compose/compose.yaml by `make docs`.\n"

ABOUT = {
    "api": "HTTP API",
    "consumer": "consumer %i",
    "reconciler": "reconciler",
    "monitor": "monitor",
    "migrate": "migrations, once",
    "connector": "registers the connector, once",
}

# No rights, no files to write, no system calls beyond those of an ordinary service.
HARDENED = """\
DynamicUser=yes
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"""

TARGET = f"""{GENERATED}[Unit]
Description=Coupon CDC: every process of one machine
Wants=coupon-api.service coupon-reconciler.service coupon-monitor.service
Wants={" ".join(f"coupon-consumer@{number}.service" for number in CONSUMERS)}

[Install]
WantedBy=multi-user.target
"""


def unit_of(service: str) -> str:
    """The file name of a service's unit. Several consumers run on one machine."""
    return f"coupon-{service}@.service" if service == "consumer" else f"coupon-{service}.service"


def files() -> list[str]:
    """The names of all files, below deploy/systemd."""
    names = [unit_of(service) for service in (*PROCESSES, *ONCE)]
    return [*names, "coupon.target", *(f"{name}.env" for name in (*PROCESSES, *ONCE, "ops"))]


def render(name: str) -> str:
    """One of these files."""
    if name == "coupon.target":
        return TARGET
    if name.endswith(".env"):
        return "".join(_env_lines(name.removesuffix(".env")))
    [service] = [each for each in (*PROCESSES, *ONCE) if unit_of(each) == name]
    return "".join(_unit_lines(service))


def _services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    return found


def _settings(service: str) -> dict[str, str | None]:
    """Each variable; None: it is off unless somebody sets it. Addresses are those of one machine."""
    own = _services()[service]["environment"]
    found = {name: None if value is None else _here(str(value)) for name, value in own.items()}
    elsewhere = {
        "COUPON_CONSUMER_URLS": ",".join(f"http://127.0.0.1:910{number}" for number in CONSUMERS),
        # No port of a container is mapped to another one.
        "COUPON_MONITOR_PAGE_URL": found.get("COUPON_MONITOR_URL"),
    }
    return found | {name: value for name, value in elsewhere.items() if name in found}


def _here(value: str) -> str:
    """The value without Compose's `${NAME:-default}`, and with the processes on this machine."""
    value = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", value)
    value = re.sub(rf"//({'|'.join(PROCESSES)}):", "//127.0.0.1:", value)
    return "127.0.0.1" if value == "0.0.0.0" else value  # noqa: S104


def _is_secret_file(value: str | None) -> bool:
    return value is not None and value.startswith(SECRETS)


def _env_lines(service: str) -> Iterator[str]:
    yield GENERATED
    yield "# Copy it to /etc/coupon; put the addresses of your servers where a name of Compose is.\n"
    # For systemd and for a shell, to which & means something.
    yield "# Leave the values in single quotes.\n"
    for name, value in _settings(service).items():
        if value is None:
            yield f"#{name}=\n"
        elif service == "ops":
            yield f"{name}='{value.replace(SECRETS, SECRETS_HERE)}'\n"
        elif not _is_secret_file(value) and name != "COUPON_CONSUMER_PORT":
            yield f"{name}='{value}'\n"


def _unit_lines(service: str) -> Iterator[str]:
    described, once = _services()[service], service in ONCE
    before = ONCE[: ONCE.index(service)] if once else ONCE
    after = ["network-online.target", *map(unit_of, before)]
    yield f"{GENERATED}[Unit]\nDescription=Coupon CDC: {ABOUT[service]}\n"
    yield f"Wants=network-online.target\nAfter={' '.join(after)}\n"
    if before and once:
        yield f"Requires={' '.join(map(unit_of, before))}\n"
    if not once:
        yield "PartOf=coupon.target\nStartLimitIntervalSec=0\n"
    yield f"\n[Service]\nType={'oneshot' if once else 'exec'}\n"
    yield f"ExecStart={_command(described['command'])}\n"
    yield f"EnvironmentFile=/etc/coupon/{service}.env\n"
    if service == "consumer":
        yield "# A name that stays keeps its partitions over a restart.\n"
        yield "Environment=COUPON_CONSUMER_INSTANCE_ID=%l-%i\n"
        yield "Environment=COUPON_CONSUMER_PORT=910%i\n"
    for name, value in _settings(service).items():
        if value is not None and _is_secret_file(value):
            yield f"Environment={name}={value.replace(SECRETS, '%d')}\n"
    for secret in described.get("secrets", []):
        yield f"LoadCredential={secret}:{SECRETS_HERE}/{secret}\n"
    if not once:
        yield "Restart=always\nRestartSec=1\n"
        yield "# SIGTERM for the first process only, which then stops its own in order.\n"
        yield "KillMode=mixed\n"
        yield f"TimeoutStopSec={described.get('stop_grace_period', STOP)}\n"
    yield f"MemoryMax={described['mem_limit'].upper()}\n{HARDENED}"
    if service == "consumer":
        yield "\n[Install]\nWantedBy=coupon.target\n"


def _command(words: list[str]) -> str:
    """The command with the paths of this machine."""
    own = {"with-secret", "python", "coupon"}
    found = [f"{PROGRAMS}/{word}" if word in own else word for word in words]
    return " ".join(found).replace(SECRETS, "%d")
