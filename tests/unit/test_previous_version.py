"""The release that the tests run beside this version is the newest one."""

import subprocess

import pytest

from benchmarks.harness.commits import git
from tests.support.previous_version import LAST_RELEASE


def test_the_last_release_is_the_newest_tag_before_this_commit() -> None:
    try:
        tag = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")
        commit = git("rev-parse", f"{tag.decode().strip()}^{{commit}}")
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("there is no tag of a release here to compare with")
    assert (tag.decode().strip(), commit.decode().strip()) == LAST_RELEASE, (
        "a version was released: name it in tests/support/previous_version.py"
    )
