"""Searches the large scopes, one after another: python -m tests.model.protocol [WORDS OF A NAME]"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.model.protocol.programs import Programs, compiler
from tests.model.protocol.scopes import LARGE, SMALL


def main() -> int:
    """Exit code 1: a promise is broken, and the way to it was printed."""
    found = compiler()
    if found is None:
        print("A C++ compiler is needed; on Debian: apt-get install g++", file=sys.stderr)
        return 2
    wanted = " ".join(sys.argv[1:])
    scopes = [scope for scope in SMALL + LARGE if wanted in scope.name] if wanted else LARGE
    if not scopes:
        print("There is no such scope:", wanted, *(s.name for s in SMALL + LARGE), sep="\n  ")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        programs = Programs(found, Path(folder))
        return max(_search(programs.command(scope), scope.name) for scope in scopes)


def _search(command: list[str], name: str) -> int:
    print(f"{name}: {' '.join(command[3:])}", flush=True)
    return subprocess.run([*command, "progress=1"], check=False).returncode


sys.exit(main())
