"""The folder in which the workers of one API keep their metrics."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "coupon-api-metrics-"
_LOCK = "in-use"


@contextmanager
def metrics_folder() -> Iterator[Path]:
    """An empty temporary folder, removed afterwards.

    An API that is killed leaves its folder; the next one removes it. A lock tells which folders are
    in use: it ends with the last process that has it, whatever ends that.
    """
    _remove_unused()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as path:
        folder = Path(path)
        with (folder / "new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / "new").rename(folder / _LOCK)  # only now others may find it
            yield folder


def _remove_unused() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Somebody else's folder, or one that is being made or removed, has no lock to take.
        with suppress(OSError):
            if folder.lstat().st_uid == os.geteuid():
                _remove_if_unused(folder)


def _remove_if_unused(folder: Path) -> None:
    """Raises OSError when it is in use."""
    with (folder / _LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
