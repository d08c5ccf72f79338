"""A small file system for a test, which can be filled to its last byte."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


class Volume:
    """A file system of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Leave no free block."""
        with self._ballast.open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(2**20))

    def make_room(self) -> None:
        """As it was."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def mounted(size: str) -> Iterator[Volume]:
    """A volume of this size while the block runs; skips the test where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a volume")
    # Postgres' user, which is not root, has to be able to enter it.
    path = Path(tempfile.mkdtemp(prefix="coupon-volume-"))
    path.chmod(0o755)
    options = ["-t", "tmpfs", "-o", f"size={size},mode=0755", "coupon-volume"]
    done = subprocess.run(["mount", *options, path], capture_output=True, text=True)
    if done.returncode != 0:
        path.rmdir()
        pytest.skip(f"no volume can be mounted here: {done.stderr.strip()}")
    yield Volume(path)
    subprocess.run(["umount", "--lazy", path], check=True)
    path.rmdir()
