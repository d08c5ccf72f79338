"""Which ports a stack takes when nobody chooses."""

import socket
from pathlib import Path

from ops.choices import FIRST_FREE, choose, remember
from stack.folder import StateFolder
from stack.ports import HOST


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


def test_a_stack_keeps_the_block_that_it_found(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.create()
    first = choose(folder, FIRST_FREE, {}, None, False)
    remember(folder, first)
    with socket.create_server((HOST, first.ports["api"])):
        assert choose(folder, FIRST_FREE, {}, None, False) == first
