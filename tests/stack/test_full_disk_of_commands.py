"""A command on a full disk says which disk that is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.volume import Volume, mounted

USAGE_S = 60


@pytest.fixture
def full() -> Iterator[Volume]:
    """A volume without a free block."""
    with mounted("64k") as volume:
        volume.fill()
        yield volume


def coupon(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=USAGE_S,
    )


def test_up_names_the_full_disk_of_its_state_folder(full: Volume) -> None:
    state = full.path / "state"
    done = coupon("up", "--state", str(state), "--ports", "auto")
    assert done.returncode == 1
    assert f"No space is left on the disk of {state}. Free some (`df -h {state}`)" in done.stderr


def test_up_names_the_full_disk_of_its_downloads(full: Volume, tmp_path: Path) -> None:
    """Also where there is no network: the folder is made first."""
    cache = full.path / "cache"
    state = str(tmp_path / "state")
    done = coupon("up", "--state", state, "--ports", "auto", COUPON_CACHE_DIR=str(cache))
    assert done.returncode == 1
    assert f"No space is left on the disk of {cache}" in done.stderr


def test_the_full_disk_of_a_support_bundle_is_named(full: Volume, tmp_path: Path) -> None:
    """The addresses of a system elsewhere: nothing answers there."""
    nowhere = {
        "COUPON_DATABASE_URL": "postgresql://ops:x@127.0.0.1:1/coupon",
        "COUPON_REDIS_URL": "redis://127.0.0.1:1/0",
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "COUPON_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
        "COUPON_CONNECT_URL": "http://127.0.0.1:1",
    }
    file = full.path / "bundle.tar.gz"
    done = coupon("support-bundle", str(file), **nowhere)
    assert done.returncode == 1
    assert f"No space is left on the disk of {file}" in done.stderr
    assert not file.exists()
