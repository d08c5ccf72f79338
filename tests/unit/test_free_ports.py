"""Free ports are free, each another one, and not those that connections get."""

import socket
from pathlib import Path

import pytest

from stack import ports
from stack.errors import SettingError
from stack.ports import HOST, SERVER_PORTS, are_free, free_ports

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_free_ports_are_free_and_no_connection_gets_one() -> None:
    """A server that is stopped for a moment finds its port as it left it."""
    names = [str(number) for number in range(50)]
    found = free_ports(names)
    assert len(set(found.values())) == len(names)
    assert are_free(found)
    first, last = map(int, RANGE.read_text().split())
    assert [port for port in found.values() if first <= port <= last] == []
    assert set(found.values()).isdisjoint(SERVER_PORTS.values())


def test_a_port_that_is_taken_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as server:
        taken = server.getsockname()[1]
        monkeypatch.setattr(ports, "_ports_of_connections", lambda: range(0))
        monkeypatch.setattr(ports, "_FIRST_CHOSEN", taken)
        monkeypatch.setattr(ports, "_LAST_PORT", taken + 1)
        with pytest.raises(SettingError, match="no free port"):
            free_ports(["a"])
