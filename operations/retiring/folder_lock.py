"""One command at a time works on the exports of a folder, also when Postgres ended its session."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coupons.errors import CouponError


class FolderBusy(CouponError):
    """Another command works on the exports of this folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of this folder of exports, which ends with the process.

    Postgres' lock ends with the session: a process that is paused loses it, and goes on. Raises
    FolderBusy or OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderBusy(f"another command works on the exports in {folder}") from None
        yield
    finally:
        os.close(descriptor)
