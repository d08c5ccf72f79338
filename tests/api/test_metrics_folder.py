"""No API leaves its folder of metrics for good, and none removes another one's."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.metrics_folder import metrics_folder

HOLDING = """
from api.metrics_folder import metrics_folder
with metrics_folder() as folder:
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only folders of this test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


@contextmanager
def holding() -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Another process with a folder."""
    command = [sys.executable, "-c", HOLDING]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_the_folder_of_a_killed_process_is_removed_by_the_next_one(tmp_path: Path) -> None:
    with holding() as (process, left):
        process.kill()
        process.wait()
        assert left.exists()
        with metrics_folder() as folder:
            assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_process_that_runs_stays() -> None:
    with holding() as (_, used), metrics_folder():
        assert used.exists()


def test_a_folder_that_is_being_made_stays(tmp_path: Path) -> None:
    """It has no lock yet."""
    made = tmp_path / "coupon-api-metrics-new"
    made.mkdir()
    with metrics_folder():
        assert made.exists()
