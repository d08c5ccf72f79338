"""The source of the version before this one, from the history of the repository."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.harness.commits import unpack_commit


class Release(NamedTuple):
    """tag: such as v0.2.0. commit: the one that it names."""

    tag: str
    commit: str


LAST_RELEASE = Release("v0.2.0", "03fd0c31d451e81015ea2e65e907a8bf91aaaa0e")
"""Named here too, because a clone may have the history without its tags. A unit test compares."""


class Version(NamedTuple):
    """tag: such as v0.2.0. source: the folder with its files."""

    tag: str
    source: Path


@pytest.fixture(scope="session")
def previous_version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The last version that was released before this commit."""
    source = tmp_path_factory.mktemp("previous")
    try:
        unpack_commit(LAST_RELEASE.commit, source)
    except FileNotFoundError:
        pytest.skip("the source of the previous version is in git, which is not installed")
    except subprocess.CalledProcessError as error:
        says = error.stderr.decode().strip()
        tag, commit = LAST_RELEASE
        pytest.skip(
            f"the history here ends after {tag}, {commit}: {says} (`git fetch --unshallow`)"
        )
    assert Path(_run_from(source, "import api; print(api.__file__)")).is_relative_to(source)
    return Version(LAST_RELEASE.tag, source)


def _run_from(source: Path, program: str) -> str:
    """What a program prints that this environment's Python runs in a folder."""
    return subprocess.check_output([sys.executable, "-c", program], cwd=source, text=True).strip()
