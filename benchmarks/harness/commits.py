"""The files of a commit, from the history of the repository."""

import io
import subprocess
import zipfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def unpack_commit(commit: str, folder: Path) -> None:
    """Write the files of a commit into a folder. Raises as `git`."""
    with zipfile.ZipFile(io.BytesIO(git("archive", "--format=zip", commit))) as files:
        files.extractall(folder)


def git(*arguments: str) -> bytes:
    """What git prints. Raises FileNotFoundError without git, and CalledProcessError."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, check=True).stdout
