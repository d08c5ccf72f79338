"""Ports: free ones, and those that another program uses."""

import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

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


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A free port for each name."""
    with ExitStack() as held:
        sockets = {name: held.enter_context(socket.socket()) for name in names}
        for each in sockets.values():
            each.bind((HOST, 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}


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
