"""Runs a program of the project whose stack is one small process that never comes up completely.

python -m tests.stack.slow_start MODULE [ARGUMENT]...: prints the state folder when that runs.
"""

import runpy
import sys
from collections.abc import Mapping
from threading import Event

from stack.disposable import DisposableStack
from stack.lifecycle import bring_up
from stack.options import choose, remember
from tests.stack.conftest import web_part


def start_slowly(
    self: DisposableStack, settings: Mapping[str, str] | None = None, *options: str
) -> None:
    """Instead of `DisposableStack.up`."""
    self.folder.create()
    remember(self.folder, choose(self.folder, "auto", {}, 1, True))
    bring_up(self.folder, [web_part("valkey", self.folder.path)], [], lambda *_: None)
    print(self.folder.path, flush=True)
    Event().wait()


if __name__ == "__main__":
    DisposableStack.up = start_slowly  # type: ignore[method-assign]
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
