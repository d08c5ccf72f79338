"""Names the disk that is full: the system's own error often says only that one is."""

import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from coupons.errors import NO_SPACE
from stack.cache import cache_folder
from stack.folder import StateFolder
from stack.lifecycle import data_folders

_LITTLE_BYTES = 1_000_000


def explained(error: Exception, folder: StateFolder | None) -> str:
    """The error in words; where it says that a disk is full, with the folders on that disk.

    folder: of the stack that the command works on.
    """
    if not isinstance(error, OSError) or error.errno not in NO_SPACE:
        return str(error)
    found = [Path(error.filename)] if error.filename else [*_full(_written(folder))]
    if not found:
        return f"{error}: `df -h` shows which disk is full, `df -i` which has no free inode"
    there = [str(_existing(path)) for path in found]
    return (
        f"No space is left on the disk of {' and of '.join(map(str, found))}. Free some"
        f" (`df -h {shlex.join(there)}`), then type the command again."
    )


def _written(folder: StateFolder | None) -> Iterator[Path]:
    """Folders in which a command may write."""
    yield from data_folders(folder) if folder is not None else ()
    yield from (cache_folder(), Path(tempfile.gettempdir()), Path.cwd())


def _full(folders: Iterator[Path]) -> Iterator[Path]:
    for path in folders:
        if shutil.disk_usage(_existing(path)).free < _LITTLE_BYTES:
            yield path


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.absolute().parents) if each.exists())
