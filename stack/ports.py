"""Which port each part listens on."""

import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from stack.errors import SettingError

HOST = "127.0.0.1"


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A port nobody listens on for each name."""
    with ExitStack() as held:
        sockets = {name: held.enter_context(socket.socket()) for name in names}
        for each in sockets.values():
            each.bind((HOST, 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}


def are_free(ports: Mapping[str, int]) -> bool:
    """Whether nobody listens on any of these ports."""
    try:
        check_free(ports)
    except SettingError:
        return False
    return True


def check_free(ports: Mapping[str, int]) -> None:
    """Raises SettingError for the first port that somebody listens on already.

    Some servers would share it silently (SO_REUSEPORT), and half of the traffic would go astray.
    """
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise SettingError(
                    f"port {port}, which {name} is to listen on, cannot be used: {error.strerror}. "
                    f"Stop what uses it, or choose another one with --port {name}=NUMBER "
                    "(or --ports auto)"
                ) from None
