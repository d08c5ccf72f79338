"""Ports: free ones, and those that another program uses."""

import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from stack.errors import SettingError

HOST = "127.0.0.1"
SERVER_PORTS = {
    "postgres": 25432,
    "valkey": 26379,
    "kafka": 29092,
    "kafka-controller": 29093,
    "registry": 28080,
    "registry-management": 28081,
    "connect": 28083,
}
"""The default port of everything that the servers listen on."""


_FIRST_CHOSEN, _LAST_PORT = 10_000, 65_536
_TRIES = 1_000
_FEWEST_LEFT = 1_000


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A free port for each name.

    Not one that the system gives to connections: a server that is stopped for a moment would find
    its port taken by somebody's connection. Raises SettingError when no port is free.
    """
    with ExitStack() as held:
        return {name: _hold_free_port(held) for name in names}


def _hold_free_port(held: ExitStack) -> int:
    used_by_connections = _ports_of_connections()
    for _ in range(_TRIES):
        # No secret: it only has to be another one than other programs choose.
        port = random.randrange(_FIRST_CHOSEN, _LAST_PORT)  # noqa: S311
        if port in used_by_connections or port in SERVER_PORTS.values():
            continue
        holder = socket.socket()
        try:
            holder.bind((HOST, port))
        except OSError:
            holder.close()
            continue
        held.enter_context(holder)
        return port
    raise SettingError(f"no free port was found on {HOST}")


@cache
def _ports_of_connections() -> range:
    """The ports that Linux gives to connections; none where that cannot be read."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return range(0)
    ports = range(int(first), int(last) + 1)
    left = _LAST_PORT - _FIRST_CHOSEN - len(range(max(ports.start, _FIRST_CHOSEN), ports.stop))
    return ports if left > _FEWEST_LEFT else range(0)


def are_free(ports: Mapping[str, int]) -> bool:
    """Whether all of these ports are free."""
    return not taken_ports(ports)


def taken_ports(ports: Mapping[str, int]) -> dict[str, str]:
    """The names whose port cannot be used, each with the reason."""
    reasons = {name: _why_taken(port) for name, port in ports.items()}
    return {name: why for name, why in reasons.items() if why is not None}


def check_free(ports: Mapping[str, int]) -> None:
    """Raises SettingError that names every port in use.

    Some servers would share a port silently (SO_REUSEPORT), and each would get half of the traffic.
    """
    taken = taken_ports(ports)
    if not taken:
        return
    if len(taken) == 1:
        [(name, why)] = taken.items()
        raise SettingError(
            f"port {ports[name]}, which {name} is to listen on, cannot be used: {why}. "
            f"Stop what uses it, or choose another one with --port {name}=NUMBER (or --ports auto)"
        )
    each = ", ".join(f"{ports[name]} ({name}: {why})" for name, why in taken.items())
    others = " ".join(f"--port {name}=NUMBER" for name in taken)
    raise SettingError(
        f"these ports cannot be used: {each}. "
        f"Stop what uses them, or choose others with {others} (or --ports auto)"
    )


def _why_taken(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror or str(error)
    return None
