"""The source of the version before this one, from the tags of the repository."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Version(NamedTuple):
    """tag: such as v0.2.0. source: the folder with its files."""

    tag: str
    source: Path


@pytest.fixture(scope="session")
def previous_version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The last version that was tagged before this commit."""
    try:
        tag = _git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^").decode()
    except FileNotFoundError:
        pytest.skip("the source of the previous version is in git, which is not installed")
    except subprocess.CalledProcessError as error:
        says = error.stderr.decode().strip()
        pytest.skip(f"no tag of a previous version: {says} (`git fetch --unshallow --tags`)")
    source = tmp_path_factory.mktemp("previous")
    with zipfile.ZipFile(io.BytesIO(_git("archive", "--format=zip", tag.strip()))) as files:
        files.extractall(source)
    assert Path(_run_from(source, "import api; print(api.__file__)")).is_relative_to(source)
    return Version(tag.strip(), source)


def _run_from(source: Path, program: str) -> str:
    """What a program prints that this environment's Python runs in a folder."""
    return subprocess.check_output([sys.executable, "-c", program], cwd=source, text=True).strip()


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True)
    return done.stdout
