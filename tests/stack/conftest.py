"""A state folder for each test, and programs small enough to start by the dozen."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.folder import StateFolder
from stack.lifecycle import take_down, wipe
from stack.parts import Part
from stack.ports import free_ports
from stack.probes import http_ok
from stack.processes import Command

SERVER = """
import sys
from http.server import HTTPServer, SimpleHTTPRequestHandler
HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateFolder]:
    """An empty state folder; whatever a test left in it is stopped and removed."""
    state = StateFolder(tmp_path / "state")
    state.create()
    yield state
    take_down(state, state.part_names(), lambda _name, _gracefully: None, deadline_s=5.0)
    if state.path.exists():
        wipe(state)


def program(code: str, *arguments: object, cwd: Path) -> Command:
    """A Python one-liner to start as a part."""
    return Command([sys.executable, "-c", code, *map(str, arguments)], {}, cwd)


def web_part(name: str, cwd: Path, after: tuple[str, ...] = ()) -> Part:
    """A part that answers HTTP."""
    port = free_ports([name])[name]
    return Part(
        name,
        lambda: program(SERVER, port, cwd=cwd),
        lambda: http_ok(port, "/"),
        {name: port},
        after,
        deadline_s=20.0,
    )


def dying_part(name: str, cwd: Path, last_words: str, after: tuple[str, ...] = ()) -> Part:
    """A part that writes something and exits with code 3."""
    code = f"import sys; print({last_words!r}); sys.exit(3)"
    return Part(name, lambda: program(code, cwd=cwd), lambda: False, {}, after, deadline_s=20.0)
