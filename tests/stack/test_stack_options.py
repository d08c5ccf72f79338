"""Which ports a stack takes when nobody chooses."""

import socket
from pathlib import Path

import pytest

from stack.errors import SettingError
from stack.folder import StateFolder
from stack.lifecycle import bring_up
from stack.options import FIRST_FREE, StackOptions, choose, remember, why_moved
from stack.ports import HOST, SERVER_PORTS, check_free
from tests.stack.conftest import web_part


def test_a_second_copy_finds_a_block_of_ports_of_its_own(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.create()
    free = choose(folder, FIRST_FREE, {}, None, False).ports
    with socket.create_server((HOST, free["api"])):
        shifted = choose(folder, FIRST_FREE, {}, None, False).ports
    offsets = {shifted[name] - free[name] for name in free}
    assert len(offsets) == 1
    assert offsets.pop() % 100 == 0
    assert not set(shifted.values()) & set(free.values())


@pytest.fixture
def first(folder: StateFolder) -> StackOptions:
    """A block of ports that was found, for a stack that has not been started since."""
    found = choose(folder, FIRST_FREE, {}, None, False)
    remember(folder, found)
    return found


def test_a_stack_keeps_the_block_that_it_found(folder: StateFolder, first: StackOptions) -> None:
    assert choose(folder, FIRST_FREE, {}, None, False) == first


def test_a_stopped_stack_moves_when_somebody_took_one_of_its_ports(
    folder: StateFolder, first: StackOptions
) -> None:
    with socket.create_server((HOST, first.ports["api"])):
        moved = choose(folder, FIRST_FREE, {}, None, False)
        says = why_moved(first, moved)
    assert not set(moved.ports.values()) & set(first.ports.values())
    offset = moved.ports["postgres"] - SERVER_PORTS["postgres"]
    assert says == (
        f"Port {first.ports['api']} is taken by another program: this stack is now on ports"
        f' {offset:+}. In open shells run `eval "$(coupon env)"` again.'
    )


def test_a_running_stack_does_not_move(
    folder: StateFolder, first: StackOptions, tmp_path: Path
) -> None:
    part = web_part("api", tmp_path)
    bring_up(folder, [part], [], lambda *_: None)
    with socket.create_server((HOST, first.ports["kafka"])):
        assert choose(folder, FIRST_FREE, {}, None, False) == first


@pytest.mark.parametrize("ports", ["+300", "auto"])
def test_another_consumer_gets_a_port_beside_those_of_its_stack(
    folder: StateFolder, ports: str
) -> None:
    one = choose(folder, ports, {}, 1, False)
    remember(folder, one)
    two = choose(folder, None, {}, 2, False)
    assert {**two.ports, **one.ports} == two.ports
    if ports == "+300":
        assert two.ports["consumer-2"] == one.ports["consumer-1"] + 1
    else:
        assert two.ports["consumer-2"] not in one.ports.values()
        assert two.ports["consumer-2"] not in range(29400, 29410)


def test_every_port_that_is_taken_is_named(first: StackOptions) -> None:
    ports = first.ports
    with socket.create_server((HOST, ports["api"])):
        with pytest.raises(SettingError, match=f"port {ports['api']}, which api is to listen on"):
            check_free(ports)
        with (
            socket.create_server((HOST, ports["kafka"])),
            pytest.raises(SettingError, match="these ports cannot be used") as told,
        ):
            check_free(ports)
    assert f"{ports['api']} (api: " in str(told.value)
    assert f"{ports['kafka']} (kafka: " in str(told.value)
    assert "--port kafka=NUMBER" in str(told.value)
