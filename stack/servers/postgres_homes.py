"""The folders outside of state folders that Postgres' data is in when root starts the stack."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

# Postgres refuses to run as root, and its user may not be able to enter the state folder.
HOMES_OF_ROOT = Path("/var/lib/coupon-cdc")
_OF_STACK = "of-stack.txt"


class LeftOver(NamedTuple):
    """A folder of a stack that is gone. link: where its state folder had it."""

    home: Path
    link: Path


def make_home() -> Path:
    """A new, empty one."""
    HOMES_OF_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=HOMES_OF_ROOT))


def note_link(home: Path, link: Path) -> None:
    """Note in the folder which link leads to it: nothing else tells whether it is still needed."""
    note = home / _OF_STACK
    note.unlink(missing_ok=True)  # the state folder may have been moved
    # The folder belongs to another user, who may have put a link there: "x" follows none.
    with suppress(FileExistsError), note.open("x", encoding="utf-8") as file:
        file.write(str(link))


def left_over() -> Iterator[LeftOver]:
    """Those whose state folder is gone and that no process uses; none that may not be read.

    Those that only older versions started have no note, and are left out.
    """
    homes = sorted(HOMES_OF_ROOT.iterdir()) if HOMES_OF_ROOT.is_dir() else []
    for home in homes:
        try:
            link = Path((home / _OF_STACK).read_text("utf-8"))
            is_needed = link.resolve() == home.resolve()
        except (OSError, ValueError, RuntimeError):
            continue
        if not is_needed and not is_used(home / "data"):
            yield LeftOver(home, link)


def is_used(data: Path) -> bool:
    """Whether a process of Postgres works in this data folder."""
    return any(_works_in(process, data) for process in psutil.process_iter())


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder)
    except (psutil.Error, OSError):
        return False
