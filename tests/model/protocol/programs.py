"""Compiles the models, and runs what they are asked for."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from tests.model.protocol.scopes import Scope

SOURCES = Path(__file__).parent
COMPILERS = ("g++", "clang++", "c++")
_OPTIONS = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers")


class Searched(NamedTuple):
    """violated: the invariant, or None. text: all that the search printed, a counterexample too."""

    violated: str | None
    complete: bool
    text: str


def compiler() -> str | None:
    """The C++ compiler of this machine, if it has one."""
    return next(filter(None, map(shutil.which, COMPILERS)), None)


class Programs:
    """The models' programs, compiled into a folder when they are first asked for."""

    def __init__(self, compiler: str, folder: Path) -> None:
        self._compiler = compiler
        self._folder = folder

    def search(self, scope: Scope) -> Searched:
        """Look at every state of the scope."""
        run = subprocess.run(self.command(scope), capture_output=True, text=True, check=False)
        assert run.returncode in (0, 1), run.stderr
        violated = run.stdout.partition("VIOLATED ")[2].partition("\n")[0]
        return Searched(violated or None, "\nholds:" in "\n" + run.stdout, run.stdout)

    def walk(
        self, scope: Scope, seed: int, ways: int, length: int
    ) -> Iterator[list[dict[str, Any]]]:
        """Random ways through the scope: the start, then each step with the state after it."""
        wanted = (f"seed={seed}", f"ways={ways}", f"length={length}")
        command = [self._program(scope.model), "walk", *wanted, *scope.arguments]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = map(json.loads, run.stdout.splitlines())
        starts = 0

        def way_of(line: dict[str, Any]) -> int:
            nonlocal starts
            starts += "start" in line
            return starts

        for _, way in groupby(lines, way_of):
            yield list(way)

    def command(self, scope: Scope) -> list[str]:
        """What searches the scope."""
        limit = f"most_states={scope.most_states}"
        return [self._program(scope.model), "search", limit, *scope.arguments]

    def _program(self, model: str) -> str:
        program = self._folder / model
        if not program.exists():
            source = SOURCES / model / "main.cpp"
            subprocess.run([self._compiler, *_OPTIONS, "-o", program, source], check=True)
        return str(program)
